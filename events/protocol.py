"""The interface of a publisher, implemented by ``Publisher`` and by the test double in ``events.testing``."""

from collections.abc import Iterable, Mapping
from typing import Any, Protocol, Self
from uuid import UUID

from events.contracts import Event
from events.publishing.observer import Observer


class EventPublisher(Protocol):
    """The type to use where a function takes a publisher. ``Publisher`` documents each method."""

    @property
    def waiting(self) -> int:
        """The number of events in the outbox."""

    def publish(self, event: Event) -> UUID:
        """Put the event on the queue and return its id."""

    def publish_many(self, events: Iterable[Event]) -> list[UUID]:
        """Put the events on the queue in their order."""

    async def apublish(self, event: Event) -> UUID:
        """Do the same as ``publish`` without blocking the event loop."""

    def publish_unchecked(
        self, event_type: str, payload: Mapping[str, Any], *, event_id: UUID | None = None
    ) -> UUID:
        """Put a payload that fits no contract on the queue, so that a worker refuses it visibly."""

    async def apublish_unchecked(
        self, event_type: str, payload: Mapping[str, Any], *, event_id: UUID | None = None
    ) -> UUID:
        """Do the same as ``publish_unchecked`` without blocking the event loop."""

    def observe(self, observer: Observer) -> None:
        """Report each publication to the observer from now on."""

    def drain(self) -> int:
        """Move the events of the outbox to the queue."""

    def close(self) -> None:
        """Close the connections."""

    def __enter__(self) -> Self: ...

    def __exit__(self, *_: object) -> None: ...
