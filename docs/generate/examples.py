"""An example event for each value of ``metadata.event``, taken from ``examples/day.ndjson``."""

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import get_args

from events import AnyEvent, EventType, InvalidEvent, parse_event
from handlers import rows
from handlers.rows import EventName

_DAY = Path(__file__).parents[2] / "examples" / "day.ndjson"
_ORDER = [*get_args(EventType), *get_args(EventName)]


def event_name(event: AnyEvent) -> EventName:
    """Return the ``metadata.event`` of the event's activity."""
    name: EventName = rows(event).activity["metadata"]["event"]
    return name


def _events() -> Iterator[AnyEvent]:
    for line in _DAY.read_bytes().splitlines():
        with suppress(InvalidEvent):  # the file contains a few invalid events on purpose
            yield parse_event(line)


def examples() -> list[AnyEvent]:
    """Return for each ``metadata.event`` the event with the most fields, in the order of the types."""
    fullest: dict[EventName, AnyEvent] = {}
    for event in _events():
        former = fullest.get(event_name(event))
        if former is None or len(event.content()) > len(former.content()):
            fullest[event_name(event)] = event
    return sorted(fullest.values(), key=_order)


def _order(event: AnyEvent) -> tuple[int, int]:
    return _ORDER.index(event.type), _ORDER.index(event_name(event))
