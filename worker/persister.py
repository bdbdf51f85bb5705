"""Persists deliveries and logs which tables were written."""

import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import NamedTuple, Protocol, Self

import structlog

from events import AnyEvent, OrderCompleted
from gateway.client import Outcome
from gateway.errors import EventRefused, WaitsApart
from worker import metrics
from worker.elements import Element, element

_LARGE = 20  # events


class Delivery(NamedTuple):
    """One attempt to persist an event: the job, the event and its element."""

    job_id: str
    event: AnyEvent
    element: Element
    """The argument for ``botlive_persist``."""

    @classmethod
    def of(cls, job_id: str, event: AnyEvent) -> Self:
        """Create a delivery and build its element.

        Raises:
            HandlerFailed: the element cannot be built.
        """
        return cls(job_id, event, element(event))


class Persists(Protocol):
    """The part of the gateway that the persister needs."""

    def persist(self, elements: Sequence[Element], *, apart: bool = False) -> list[Outcome]:
        """See ``Gateway.persist``."""


class Persister:
    """Passes batches to the gateway and logs the outcomes."""

    def __init__(self, gateway: Persists, *, apart: bool = False) -> None:
        self._gateway = gateway
        self._apart = apart
        self._log: structlog.stdlib.BoundLogger = structlog.stdlib.get_logger("botlive")

    def persist(self, deliveries: Sequence[Delivery]) -> list[EventRefused | WaitsApart | None]:
        """Persist a batch in one transaction. Return for each delivery its error, or None.

        Raises:
            WorkerError: the whole call failed; it may be repeated with the same deliveries.
        """
        elements = [delivery.element for delivery in deliveries]
        began = time.perf_counter()
        try:
            outcomes = self._gateway.persist(elements, apart=self._apart)
        finally:
            metrics.count_call(len(deliveries), time.perf_counter() - began)
        _count(deliveries, outcomes)
        self._say(list(zip(deliveries, outcomes, strict=True)))
        return [outcome.error(delivery.event) for delivery, outcome in zip(deliveries, outcomes, strict=True)]

    def _say(self, concluded: Sequence[tuple[Delivery, Outcome]]) -> None:
        """Log one line for each event; for a large batch only one line, because lines cost time."""
        groups = [concluded] if len(concluded) > _LARGE else [[one] for one in concluded]
        for group in groups:
            self._say_of(group)

    def _say_of(self, group: Sequence[tuple[Delivery, Outcome]]) -> None:
        """Log one line: the ids of the events, grouped by the tables that got rows."""
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


def _count(deliveries: Sequence[Delivery], outcomes: Sequence[Outcome]) -> None:
    if deliveries:
        oldest = min(delivery.event.occurred_at for delivery in deliveries)
        results = (
            (delivery.event.type, outcome.kind)
            for delivery, outcome in zip(deliveries, outcomes, strict=True)
        )
        metrics.count_results(results, (datetime.now(UTC) - oldest).total_seconds())


def _words(event: AnyEvent, outcome: Outcome) -> Iterator[str]:
    """Yield the tables that got rows, in the upper-case names that people grep for."""
    if outcome.kind == "duplicate":
        yield "duplicates"
    elif outcome.kind == "persisted":
        yield "ACTIVITIES"
        if isinstance(event, OrderCompleted):
            yield "ORDERS"
        if outcome.session_written:
            yield "SESSIONS"
