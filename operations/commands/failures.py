"""``botlive failures``: lists, replays, edits and discards refused events."""

import json
import sys
from collections.abc import Iterable, Sequence
from typing import Annotated, Any

import structlog
import typer

from gateway.hints import word
from operations.examples import examples
from operations.failed import table as listing
from operations.failed.correction import Change
from operations.failed.job import FailedJob
from operations.failed.selection import choose_one, opened, refuse, selected
from operations.output import report, say, say_lines

app = typer.Typer(pretty_exceptions_enable=False)

Ids = Annotated[list[str] | None, typer.Argument(metavar="ID", help="The ids that the list shows.")]
ReasonPart = Annotated[
    str | None,
    typer.Option(
        "--reason",
        metavar="R",
        help="Only events whose reason contains this text, such as UnknownCompany; case is ignored.",
    ),
]
Company = Annotated[str | None, typer.Option(metavar="TEXT_ID", help="Only events of this shop.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object per line.")]
Limit = Annotated[
    int | None, typer.Option(min=1, metavar="N", help="Only the newest N; on a terminal 100 by default.")
]

_ON_A_TERMINAL = 100  # rows
_EPILOG = """
Without a subcommand the refused events are listed, the newest first, with the time of the failure, id, event
type, company, number of failures, and reason. If stdout is not a terminal, tabs separate the columns. With
--json the fields are id, reason, error, event_type, company_id, failed_at (UTC) and failures (their number);
null means unknown. Events that wait apart, because their shop's tables reject all events of their type, are
reported on stderr.
"""
_DISCARDED = ("at", "id", "event_type", "company_id", "error", "reason", "why")


@app.callback(
    invoke_without_command=True,
    epilog=examples(
        "botlive failures",
        "botlive failures --reason UnknownCompany --limit 20",
        "botlive failures --json | jq -r .reason | sort | uniq -c",
        then=_EPILOG,
    ),
)
def failures(
    context: typer.Context,
    reason: ReasonPart = None,
    company: Company = None,
    as_json: AsJson = False,
    limit: Limit = None,
) -> None:
    """List the refused events, the newest first, with their reasons."""
    if context.invoked_subcommand is None:
        with opened() as registry:
            found = sorted(selected(registry, reason, company), key=_age, reverse=True)
            apart = [listing.apart(*each) for each in registry.apart(company)]
        _show(found, as_json, limit)
        for line in apart:
            report(line)
    elif reason or company or as_json or limit:
        raise typer.BadParameter("put the options after the subcommand", param_hint="the options")


@app.command(epilog=examples("botlive failures show ID", "botlive failures show ID --payload"))
def show(
    job_id: Annotated[str, typer.Argument(metavar="ID")],
    with_payload: Annotated[
        bool, typer.Option("--payload", help="Also show the event as JSON, with a customer's personal data.")
    ] = False,
) -> None:
    """Show all that is known about one refused event, without the customer's data."""
    with opened() as registry:
        found = list(registry.find([job_id]))
        notes = registry.edits.notes(job_id)
    for detail in found:
        for name, value in listing.facts(detail):
            say(f"{name}: {value}")
    for note in notes:
        say(f"edited: {note.at} {', '.join(note.fields)}")
    for note in notes if with_payload else ():
        say(f"before the edit of {note.at}: {note.before}")
    for detail in found if with_payload else ():
        say_lines(listing.pretty(detail.call))
    refuse([] if found else [job_id])


@app.command(
    epilog=examples(
        "botlive failures edit ID --set items.0.price=500",
        "botlive failures edit ID --unset zone",
        """botlive failures edit ID --set 'reference="123"'""",
    )
)
def edit(
    job_id: Annotated[str, typer.Argument(metavar="ID", help="The id that the list shows.")],
    assignments: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="FIELD=VALUE",
            help="Set a field. VALUE is read as JSON if it is JSON, else as text. Example: items.0.price=500",
        ),
    ] = None,
    removals: Annotated[
        list[str] | None, typer.Option("--unset", metavar="FIELD", help="Remove a field.")
    ] = None,
) -> None:
    """Correct an event and replay it at once, if the result fits its contract.

    A text that looks like a number needs quotes: --set 'reference="123"'. The identity of the event stays the
    same: event_id, type, version and key cannot be changed.

    The old values are kept: `botlive failures show ID --payload` shows them.

    The exit code is 1 if the event was not edited; then nothing was changed.
    """
    changes = [Change.of(text) for text in assignments or ()]
    changes += [Change(path, is_removal=True) for path in removals or ()]
    if not changes:
        raise typer.BadParameter("name at least one field to change", param_hint="--set, --unset")
    with opened(logging=True) as registry:
        event = registry.edits.edit(job_id, changes)
    fields = [change.shown for change in changes]
    log: Any = structlog.stdlib.get_logger("botlive")
    log.info("edited", event_id=str(event.event_id), event_type=event.type, job_id=job_id, fields=fields)
    say(f"edited and replayed {job_id}: {', '.join(fields)}")


@app.command(
    epilog=examples(
        "botlive failures replay ID",
        "botlive failures replay --reason UnknownCompany --company boutique-awa",
        "botlive failures replay --all",
    )
)
def replay(
    ids: Ids = None,
    reason: ReasonPart = None,
    company: Company = None,
    everything: Annotated[bool, typer.Option("--all", help="Replay all refused events.")] = False,
) -> None:
    """Put refused events back on the queue, after their cause has been fixed.

    Select them by their ids, by --reason and --company (both must match), or by --all. An event that was
    persisted in the meantime is not persisted twice.

    The exit code is 1 if an event named by its id was not replayed.
    """
    choose_one(ids, reason or company, everything)
    with opened() as registry:
        by_reason = (failure.job_id for failure in selected(registry, reason, company))
        outcome = registry.replay(ids or (registry.ids() if everything else list(by_reason)))
    say(f"replayed {len(outcome.done)}")
    for job_id in outcome.gone:
        cure = f"remove it from the list with `botlive failures discard --why TEXT -- {word(job_id)}`"
        report(f"{job_id}: its job no longer exists in Redis: {cure}")
    refuse(outcome.absent if ids else [], also=bool(outcome.gone))


@app.command(
    epilog=examples(
        "botlive failures discard ID --why 'a test'",
        "botlive failures discard --reason InvalidEvent --why 'sent by a test'",
    )
)
def discard(
    why: Annotated[str, typer.Option(help="The reason; it is kept with the entry.")],
    ids: Ids = None,
    reason: ReasonPart = None,
) -> None:
    """Delete refused events for good. Select them by their ids or by --reason, and say why with --why.

    `botlive failures discarded` lists them afterwards.

    The exit code is 1 if an event named by its id does not exist.
    """
    choose_one(ids, reason)
    if not why.strip():
        raise typer.BadParameter("the reason must not be empty", param_hint="--why")
    with opened(logging=True) as registry:
        wanted = [detail.failure for detail in registry.find(ids)] if ids else selected(registry, reason)
        done = registry.discard(list(wanted), why)
    _log(done, why)
    say(f"discarded {len(done)}")
    refuse(set(ids or ()) - {failure.job_id for failure in done})


@app.command(epilog=examples("botlive failures discarded", "botlive failures discarded --json"))
def discarded(as_json: AsJson = False) -> None:
    """List the discarded events, the newest first, with the reasons."""
    with opened() as registry:
        entries = list(registry.discarded())
    for entry in entries:
        known = {name: entry.get(name) or None for name in _DISCARDED}
        say(*([json.dumps(known)] if as_json else [value or "-" for value in known.values()]))


def _age(failure: FailedJob) -> float:
    return failure.failed_at.timestamp() if failure.failed_at else 0.0


def _show(found: Sequence[FailedJob], as_json: bool, limit: int | None) -> None:
    terminal = sys.stdout.isatty() and not as_json
    shown = found[: limit or (_ON_A_TERMINAL if terminal else len(found))]
    if terminal:
        listing.print_list(shown)
    for failure in () if terminal else shown:
        say(*([json.dumps(failure.to_dict())] if as_json else listing.row(failure)))
    report(listing.summary(found, len(shown)))


def _log(done: Iterable[FailedJob], why: str) -> None:
    log: Any = structlog.stdlib.get_logger("botlive")
    for failure in done:
        log.info(
            "discarded",
            event_id=failure.job_id,
            event_type=failure.event_type,
            reason=str(failure.reason),
            why=why,
        )
