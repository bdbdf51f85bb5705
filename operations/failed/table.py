"""Formats failed jobs for people: a row, a list, a summary, and the details of one job."""

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime

from rich.padding import Padding
from rich.text import Text

from gateway.letters import printable
from gateway.masking import mask_text
from operations.failed.job import Detail, FailedJob, payload
from operations.output import Screen
from worker.apart import Group, Kind


def print_list(shown: Iterable[FailedJob]) -> None:
    """Print for a terminal: one line with the facts, and the whole reason below."""
    console = Screen()
    for failure in shown:
        *facts, times, reason = row(failure)
        console.print(Text(f"{'  '.join(facts)}  failed {times}x", style="bold"), soft_wrap=True)
        console.print(Padding(Text(reason), (0, 0, 0, 2)))


def row(failure: FailedJob) -> list[str]:
    """Return the time of the failure, id, event type, company, number of failures, and reason."""
    named = [failure.job_id, failure.event_type, failure.company, str(failure.failures)]
    row = [when(failure.failed_at), *named, str(failure.reason)]
    return [printable(value or "-") for value in row]


def when(instant: datetime | None) -> str:
    """Return the time in UTC, or a dash."""
    return instant.strftime("%Y-%m-%d %H:%M:%S UTC") if instant else "-"


def apart(kind: Kind, group: Group, events: int) -> str:
    """Return a line about a kind that waits apart, with its reason."""
    named = f"{printable(kind.event_type)} of {printable(kind.company_id)}"
    return mask_text(f"waits apart since {when(group.since)}: {events} {named}: {printable(group.reason)}")


def summary(found: Sequence[FailedJob], shown: int) -> str:
    """Return a line with the number of failures by reason, and how many of them are shown."""
    kinds = Counter(failure.reason.kind for failure in found).most_common()
    parts = ", ".join(f"{kind} {count}" for kind, count in kinds)
    said = f"{len(found)} failed{': ' if parts else ''}{parts}"
    return said if shown == len(found) else f"{said}; the newest {shown} are shown"


def facts(detail: Detail) -> Iterator[tuple[str, str]]:
    """Yield the names and values of a job's details, without the customer's data."""
    failure = detail.failure
    yield "id", printable(failure.job_id)
    yield "event type", failure.event_type or "-"
    yield "company", printable(failure.company or "-")
    yield "occurred at", when(detail.occurred_at)
    yield "published at", when(detail.published_at)
    yield "failed at", when(failure.failed_at)
    yield "failures", str(failure.failures)
    if detail.deaths:
        yield "deaths of a worker", str(detail.deaths)
    yield "reason", str(failure.reason)
    for line in detail.cause:
        yield "cause", line


def pretty(call: bytes) -> str:
    """Return the event as indented JSON, or the call as it is if it has no event. Personal data."""
    try:
        text = json.dumps(payload(call) or json.loads(call), indent=2, ensure_ascii=False)
    except (ValueError, RecursionError):
        text = call.decode(errors="replace")
    return text
