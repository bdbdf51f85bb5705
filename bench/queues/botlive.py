"""Ours."""

from collections.abc import Iterable

from events import Event, Publisher

# A moment in which the machine is busy must not end a run: without an outbox a late answer is an error.
_publisher = Publisher.from_env(within=10)


def send(event: Event) -> None:
    """One event."""
    _publisher.publish(event)


async def asend(event: Event) -> None:
    """One event, on an event loop."""
    await _publisher.apublish(event)


def load(events: Iterable[Event]) -> None:
    """A backlog."""
    _publisher.publish_many(events)
