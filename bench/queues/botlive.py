"""Our own queue."""

from collections.abc import Iterable

from events import Event, Publisher

# 10 s: without an outbox a late answer is an error, and a busy machine must not end a run.
_publisher = Publisher.from_env(within=10)


def send(event: Event) -> None:
    """Publish one event."""
    _publisher.publish(event)


async def asend(event: Event) -> None:
    """Publish one event on an event loop."""
    await _publisher.apublish(event)


def load(events: Iterable[Event]) -> None:
    """Publish a backlog."""
    _publisher.publish_many(events)
