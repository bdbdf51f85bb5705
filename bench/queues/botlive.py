"""Ours."""

from collections.abc import Iterable

from events import Event, Publisher

_publisher = Publisher.from_env()


def send(event: Event) -> None:
    """One event."""
    _publisher.publish(event)


async def asend(event: Event) -> None:
    """One event, on an event loop."""
    await _publisher.apublish(event)


def load(events: Iterable[Event]) -> None:
    """A backlog."""
    _publisher.publish_many(events)
