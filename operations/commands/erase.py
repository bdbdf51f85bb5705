"""``botlive erase``: erases the personal data of one customer."""

import sys
from collections import Counter
from contextlib import ExitStack
from typing import Annotated, Any

import structlog
import typer

from events.publishing.outbox import Outbox
from gateway.settings import ErasureSettings
from operations.database import connect
from operations.erasure import outbox as outboxes
from operations.erasure.jobs import Jobs
from operations.erasure.tables import Tables
from operations.examples import examples
from operations.exits import ExitCode
from operations.logs import configure
from operations.outbox import waiting
from operations.output import report, say
from operations.terminal import redis_at

_PLACES = ("orders", "activities", "waiting", "claimed", "failed", "edit notes", "outbox")
_LONGEST = 128  # characters, as in events.fields

EPILOG = examples(
    "botlive erase +2250700000000 --dry-run",
    "botlive erase +2250700000000",
    "botlive erase - --yes < user-id.txt",
    then="""
The rows and the events stay, with their company, amounts, status and times. The customer's id, name, phone
number, zone, messages and references, the names of the items, and the conversation's id are removed or
replaced by ***. An event that occurred before the erasure and is delivered later is masked when it is
persisted. Events that occur afterwards are persisted as usual.
""",
)


def erase(
    user_id: Annotated[
        list[str],
        typer.Argument(
            metavar="USER_ID|-",
            help="The customer's user id, exactly as in the events; - reads it from stdin, so that it is in "
            "no shell history and no list of processes.",
        ),
    ],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only count; change nothing.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask for confirmation.")] = False,
) -> None:
    """Erase one customer's data from the tables, the jobs in Redis, and the outbox BOTLIVE_OUTBOX.

    It needs REDIS_URL and DATABASE_URL. It prints how much was found in each place, and never the data.
    Run it again after a failure: a repetition is safe.

    The exit code is 1 if something could not be erased; a line says what to do.
    """
    settings = ErasureSettings.from_env()
    person = _person(user_id)
    outbox = _outbox(settings.outbox)
    with ExitStack() as stack:
        connection = stack.enter_context(redis_at(settings.redis_url))
        database = stack.enter_context(connect(settings.database_url.get_secret_value()))
        erasure = _Erasure(Tables(database, person), Jobs(connection, settings.queue, person), outbox, person)
        if dry_run or not yes:
            _show(erasure.run(dry_run=True), "found")
        if dry_run:
            return
        if not yes:
            _confirm()
        configure(settings.log_dir)
        found = erasure.run(dry_run=False)
    log: Any = structlog.stdlib.get_logger("botlive")
    log.info("erased a customer", **{place.replace(" ", "_"): found[place] for place in _PLACES})
    _show(found, "erased")
    raise typer.Exit(_problems(found, settings.outbox))


class _Erasure:
    def __init__(self, tables: Tables, jobs: Jobs, outbox: Outbox | None, person: str) -> None:
        self._tables, self._jobs, self._outbox, self._person = tables, jobs, outbox, person

    def run(self, *, dry_run: bool) -> Counter[str]:
        """Erase in all places; the rows come last, because a repetition needs them to find the notes."""
        if not dry_run:
            self._tables.remember()
        rows = self._tables.find()
        found = Counter(row.table for row in rows)
        # The outbox comes before Redis, because its events move there.
        found["outbox"] = outboxes.erase(self._outbox, self._person, dry_run=dry_run) if self._outbox else 0
        jobs = list(self._jobs.erase(dry_run=dry_run))
        found.update(job.place for job in jobs)
        ids = {*(row.row_id for row in rows), *(job.job_id for job in jobs)}
        found["edit notes"] = self._jobs.erase_notes(ids, dry_run=dry_run)
        if not dry_run:
            found["held"] = len(self._jobs.settle([job.job_id for job in jobs if job.place == "claimed"]))
            self._tables.erase()
        return found


def _person(words: list[str]) -> str:
    """Read the user id. No message contains it."""
    if len(words) != 1:
        raise typer.BadParameter("give one user id; put quotes around one with spaces", param_hint="USER_ID")
    person = sys.stdin.readline().strip() if words == ["-"] else words[0]
    if not 1 <= len(person) <= _LONGEST or "\0" in person or "***" in person:
        raise typer.BadParameter("a user id has 1 to 128 characters and no ***", param_hint="USER_ID")
    if any("\ud800" <= letter <= "\udfff" for letter in person):
        raise typer.BadParameter("the user id is not valid UTF-8", param_hint="USER_ID")
    return person


def _outbox(name: str | None) -> Outbox | None:
    outbox = Outbox.named(name) if name else None
    # A file that cannot be read ends the command before anything is erased.
    return None if outbox is None or waiting(outbox) is None else outbox


def _confirm() -> None:
    if not sys.stdin.isatty():
        raise typer.BadParameter("nobody can be asked without a terminal: add --yes", param_hint="--yes")
    typer.confirm("This cannot be undone. Erase the data of this customer?", abort=True, err=True)


def _show(found: Counter[str], what: str) -> None:
    for place in _PLACES:
        say(f"{what} {place:<11}{found[place]:>7}")
    if not any(found[place] for place in _PLACES):
        report("nothing was found: it is already erased, or the user id is not exactly that of the events")


def _problems(found: Counter[str], outbox: str | None) -> ExitCode:
    if found["held"]:
        report(
            f"workers still hold {found['held']} events of the customer: run the command again in a minute"
        )
    if found["oversized"]:
        report(
            f"{found['oversized']} jobs are larger than any event and were not examined: "
            "discard them with `botlive failures discard`"
        )
    if not outbox:
        report("BOTLIVE_OUTBOX is not set: if a chat has an outbox, set it and run the command again")
    return ExitCode.FAILED if found["held"] or found["oversized"] else ExitCode.DONE
