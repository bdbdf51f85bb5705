"""What a host needs of a publisher: ``Publisher`` has it, and the test double of ``events.testing``."""

from collections.abc import Iterable, Mapping
from typing import Any, Protocol, Self
from uuid import UUID

from events.contracts import Event


class EventPublisher(Protocol):
    """The type for a host's own functions that are given a publisher. ``Publisher`` says what each does."""

    @property
    def waiting(self) -> int:
        """How many events wait in the outbox."""

    def publish(self, event: Event) -> UUID:
        """Put the event on the queue and return its id."""

    def publish_many(self, events: Iterable[Event]) -> list[UUID]:
        """Put the events on the queue in their order."""

    async def apublish(self, event: Event) -> UUID:
        """As ``publish``, without blocking the event loop."""

    def publish_unchecked(
        self, event_type: str, payload: Mapping[str, Any], *, event_id: UUID | None = None
    ) -> UUID:
        """Put on the queue what fits no contract, for a worker to refuse it visibly."""

    async def apublish_unchecked(
        self, event_type: str, payload: Mapping[str, Any], *, event_id: UUID | None = None
    ) -> UUID:
        """As ``publish_unchecked``, without blocking the event loop."""

    def drain(self) -> int:
        """Bring what waits in the outbox to the queue."""

    def close(self) -> None:
        """Give the connections back."""

    def __enter__(self) -> Self: ...

    def __exit__(self, *_: object) -> None: ...
