"""Persists deliveries and says in the log what was written where."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple, Protocol, Self

import structlog

from events import AnyEvent, OrderCompleted
from gateway.client import Outcome
from gateway.errors import EventRefused, WaitsApart
from worker.elements import Element, element

_LARGE = 20  # events


class Delivery(NamedTuple):
    """An event as the queue hands it out."""

    job_id: str
    event: AnyEvent
    element: Element
    """What ``botlive_persist`` gets of it."""

    @classmethod
    def of(cls, job_id: str, event: AnyEvent) -> Self:
        """The event with its element.

        Raises:
            HandlerFailed: no element can be made of it.
        """
        return cls(job_id, event, element(event))


class Persists(Protocol):
    """What the persister needs of a gateway."""

    def persist(self, elements: Sequence[Element], *, apart: bool = False) -> list[Outcome]:
        """As ``Gateway.persist``."""


class Persister:
    """Hands batches to the gateway."""

    def __init__(self, gateway: Persists, *, apart: bool = False) -> None:
        self._gateway = gateway
        self._apart = apart
        self._log: structlog.stdlib.BoundLogger = structlog.stdlib.get_logger("botlive")

    def persist(self, deliveries: Sequence[Delivery]) -> list[EventRefused | WaitsApart | None]:
        """Persist a batch in one transaction; for each delivery why it is not persisted, or None.

        Raises:
            WorkerError: the call failed as a whole; calling again with the same is harmless.
        """
        elements = [delivery.element for delivery in deliveries]
        outcomes = self._gateway.persist(elements, apart=self._apart)
        self._say(list(zip(deliveries, outcomes, strict=True)))
        return [outcome.error(delivery.event) for delivery, outcome in zip(deliveries, outcomes, strict=True)]

    def _say(self, concluded: Sequence[tuple[Delivery, Outcome]]) -> None:
        """A line an event, with its names bound; of a large batch, where lines would cost most, one."""
        groups = [concluded] if len(concluded) > _LARGE else [[one] for one in concluded]
        for group in groups:
            self._say_of(group)

    def _say_of(self, group: Sequence[tuple[Delivery, Outcome]]) -> None:
        """The ids of the events by the table that got their rows."""
        written: dict[str, list[str]] = {}
        for delivery, outcome in group:
            for word in _words(delivery.event, outcome):
                written.setdefault(word, []).append(str(delivery.event.event_id))
        if written:
            said = "duplicate" if written.keys() == {"duplicates"} else "persisted"
            self._bound(group[0][0] if len(group) == 1 else None).info(said, **written)

    def _bound(self, only: Delivery | None) -> structlog.stdlib.BoundLogger:
        if only is None:
            return self._log
        event = only.event
        return self._log.bind(event_id=str(event.event_id), event_type=event.type, job_id=only.job_id)


def _words(event: AnyEvent, outcome: Outcome) -> Iterator[str]:
    """The tables that got rows, in the words that people grep for."""
    if outcome.kind == "duplicate":
        yield "duplicates"
    elif outcome.kind == "persisted":
        yield "ACTIVITIES"
        if isinstance(event, OrderCompleted):
            yield "ORDERS"
        if outcome.session_written:
            yield "SESSIONS"
