"""Failed jobs as people read them: a row, a list, a sum, all that is known of one."""

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime

from rich.padding import Padding
from rich.text import Text

from gateway.letters import plain
from gateway.masking import mask_text
from operations.failed.job import Detail, FailedJob, payload
from operations.output import Screen
from worker.apart import Group, Kind


def print_list(shown: Iterable[FailedJob]) -> None:
    """For a terminal: the facts on a line, the reason below, however long it is."""
    console = Screen()
    for failure in shown:
        *facts, times, reason = row(failure)
        console.print(Text(f"{'  '.join(facts)}  failed {times}x", style="bold"), soft_wrap=True)
        console.print(Padding(Text(reason), (0, 0, 0, 2)))


def row(failure: FailedJob) -> list[str]:
    """When it failed, its id, event type and company, how often it failed, the reason."""
    named = [failure.job_id, failure.event_type, failure.company, str(failure.failures)]
    row = [_when(failure.failed_at), *named, str(failure.reason)]
    return [plain(value or "-") for value in row]


def _when(instant: datetime | None) -> str:
    return instant.strftime("%Y-%m-%d %H:%M:%S UTC") if instant else "-"


def apart(kind: Kind, group: Group, events: int) -> str:
    """What waits apart, and why."""
    named = f"{plain(kind.event_type)} of {plain(kind.company_id)}"
    return mask_text(f"waits apart since {_when(group.since)}: {events} {named}: {plain(group.reason)}")


def summary(found: Sequence[FailedJob], shown: int) -> str:
    """How many failed for which reason, and whether not all of them are shown."""
    kinds = Counter(failure.reason.error or "other" for failure in found).most_common()
    parts = ", ".join(f"{kind} {count}" for kind, count in kinds)
    said = f"{len(found)} failed{': ' if parts else ''}{parts}"
    return said if shown == len(found) else f"{said}; the newest {shown} are shown"


def facts(detail: Detail) -> Iterator[tuple[str, str]]:
    """Names and values, none of them the customer's data."""
    failure = detail.failure
    yield "id", plain(failure.job_id)
    yield "event type", failure.event_type or "-"
    yield "company", plain(failure.company or "-")
    yield "occurred at", _when(detail.occurred_at)
    yield "published at", _when(detail.published_at)
    yield "failed at", _when(failure.failed_at)
    yield "failures", str(failure.failures)
    if detail.deaths:
        yield "deaths of a worker", str(detail.deaths)
    yield "reason", str(failure.reason)
    for line in detail.cause:
        yield "cause", line


def pretty(call: bytes) -> str:
    """The event as people read JSON; what is none, as it is. Personal data."""
    try:
        text = json.dumps(payload(call) or json.loads(call), indent=2, ensure_ascii=False)
    except (ValueError, RecursionError):
        text = call.decode(errors="replace")
    return text
