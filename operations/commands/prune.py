"""``botlive prune``: deletes old rows of the inbox, of ``activities`` and of the toggles."""

import re
import time
from collections.abc import Iterable
from datetime import UTC
from itertools import islice
from typing import Annotated

import typer

from gateway.letters import printable
from gateway.settings import PruneSettings
from operations import unfinished
from operations.examples import examples
from operations.exits import ExitCode
from operations.output import report, say
from operations.pruning import SHORTEST, Progress, PrunedRows, Pruner, pruner
from operations.terminal import redis_at

_SHOWN = 10  # ids
_EVERY = 5.0  # seconds between two lines of progress
_MOST = 36_500  # days

EPILOG = examples("botlive prune --older-than 180d --dry-run", "botlive prune --older-than 180d")


def _days(text: str) -> int:
    found = re.fullmatch(r"([0-9]{1,5})d", text)
    if not found or not SHORTEST <= int(found[1]) <= _MOST:
        raise typer.BadParameter(f"write a number of days from {SHORTEST} to {_MOST}, such as 180d")
    return int(found[1])


def prune(
    days: Annotated[
        int,
        typer.Option(
            "--older-than", parser=_days, metavar="DAYS", help=f"Such as 180d; at least {SHORTEST}d."
        ),
    ],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Count the rows, and change nothing.")] = False,
) -> None:
    """Delete the rows of the inbox, of activities and of the toggles that are older than DAYS.

    Only activities that events made are deleted. Orders and sessions stay. From then on, an older event is
    refused, because the database cannot tell any more whether it was persisted.

    It needs DATABASE_URL, and REDIS_URL and BOTLIVE_QUEUE as the worker has them. It may run while workers
    run, may be interrupted, and may be repeated.

    The exit code is 1 if older events still wait or failed: then nothing is deleted. It is 130 after Ctrl-C.
    """
    settings = PruneSettings.from_env()
    with pruner(settings.database_url.get_secret_value(), days) as work:
        with redis_at(settings.redis_url) as connection:
            blocking = list(unfinished.older_than(work.horizon, connection, settings.queue))
        if dry_run:
            say(f"would delete what is older than {_day(work)}: {work.count()}")
        if blocking:
            report(_refusal(blocking, _day(work)))
            raise typer.Exit(ExitCode.FAILED)
        if not dry_run:
            _delete(work)


def _delete(work: Pruner) -> None:
    try:
        deleted = _reported(work.run())
    except KeyboardInterrupt:
        report("interrupted: what was deleted stays deleted; run it again to delete the rest")
        raise typer.Exit(ExitCode.INTERRUPTED) from None
    say(f"deleted what is older than {_day(work)}: {deleted}")


def _reported(run: Iterable[Progress]) -> PrunedRows:
    """Follow the run and print a line now and then. Return what was deleted."""
    deleted, next_line = PrunedRows(), time.monotonic() + _EVERY
    for progress in run:
        deleted = progress.deleted
        if time.monotonic() >= next_line:
            report(f"{progress.table}: page {progress.pages} of {progress.of}; deleted {deleted}")
            next_line = time.monotonic() + _EVERY
    return deleted


def _refusal(blocking: list[str], day: str) -> str:
    ids = ", ".join(map(printable, islice(blocking, _SHOWN)))
    more = f" and {len(blocking) - _SHOWN} more" if len(blocking) > _SHOWN else ""
    return (
        f"nothing deleted: {len(blocking)} events that occurred before {day} are not persisted yet, "
        f"and would be refused afterwards: {ids}{more}; let the workers persist those that wait, "
        "replay or discard those that failed (`botlive failures`), then run this again"
    )


def _day(work: Pruner) -> str:
    return work.horizon.astimezone(UTC).date().isoformat()
