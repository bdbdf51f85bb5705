"""An example of each thing that an event may say, taken from the example day."""

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
    """What the event's activity says that happened."""
    name: EventName = rows(event).activity["metadata"]["event"]
    return name


def _events() -> Iterator[AnyEvent]:
    for line in _DAY.read_bytes().splitlines():
        with suppress(InvalidEvent):  # the day holds a few that a worker refuses
            yield parse_event(line)


def examples() -> list[AnyEvent]:
    """For each thing that may happen the day's event with the most fields, in the order of the types."""
    fullest: dict[EventName, AnyEvent] = {}
    for event in _events():
        former = fullest.get(event_name(event))
        if former is None or len(event.content()) > len(former.content()):
            fullest[event_name(event)] = event
    return sorted(fullest.values(), key=_place)


def _place(event: AnyEvent) -> tuple[int, int]:
    return _ORDER.index(event.type), _ORDER.index(event_name(event))
