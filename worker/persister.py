"""Persists deliveries and logs the outcome of each: which tables were written, and how long it took."""

import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import NamedTuple, Protocol, Self

import structlog

from events import AnyEvent, OrderCompleted
from gateway.client import Outcome
from gateway.errors import EventRefused, WaitsApart
from worker import metrics
from worker.elements import Element, element, flaw

_LARGE = 20  # events


class Delivery(NamedTuple):
    """One attempt to persist an event: the job, the event and its element."""

    job_id: str
    event: AnyEvent
    element: Element
    """The argument for ``botlive_persist``."""
    published: datetime | None = None
    """When the job was put on the queue, if that is known."""

    @classmethod
    def of(cls, job_id: str, event: AnyEvent, published: datetime | None = None) -> Self:
        """Create a delivery and build its element.

        Raises:
            HandlerFailed: the element cannot be built.
        """
        return cls(job_id, event, element(event), published)


Concluded = Sequence[tuple[Delivery, Outcome]]
"""Deliveries of one call, each with its outcome."""


class _Timing(NamedTuple):
    """When a call began, and how long it took."""

    began: datetime
    seconds: float

    def fields(self, group: Concluded) -> dict[str, float]:
        """Return, for a log line, the seconds from publication to the call, and the call's milliseconds.

        Of several events the longest wait is returned.
        """
        waits = [(self.began - each.published).total_seconds() for each, _ in group if each.published]
        waited = {"waited": round(max(0.0, *waits), 3)} if waits else {}
        return {**waited, "call_ms": round(self.seconds * 1000, 1)}


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

        An event whose element cannot be written as JSON is refused, and the others are persisted.

        Raises:
            WorkerError: the whole call failed; it may be repeated with the same deliveries.
        """
        try:
            return self._persist(deliveries)
        except (TypeError, ValueError, RecursionError):  # supabase-py could not write the request
            # Only now, because a check of each element in advance takes a fifth of the worker's time.
            flaws = {each.job_id: error for each in deliveries if (error := flaw(each.element))}
        sound = [each for each in deliveries if each.job_id not in flaws]
        errors = iter(self._persist(sound) if sound else ())
        return [flaws.get(each.job_id) or next(errors) for each in deliveries]

    def _persist(self, deliveries: Sequence[Delivery]) -> list[EventRefused | WaitsApart | None]:
        elements = [delivery.element for delivery in deliveries]
        began, start = datetime.now(UTC), time.perf_counter()
        try:
            outcomes = self._gateway.persist(elements, apart=self._apart)
        finally:
            seconds = time.perf_counter() - start
            metrics.count_call(len(deliveries), seconds)
        _count(deliveries, outcomes)
        self._say(list(zip(deliveries, outcomes, strict=True)), _Timing(began, seconds))
        return [outcome.error(delivery.event) for delivery, outcome in zip(deliveries, outcomes, strict=True)]

    def _say(self, concluded: Concluded, timing: _Timing) -> None:
        """Log one line for each event; for a large batch only one line, because lines cost time."""
        groups = [concluded] if len(concluded) > _LARGE else [[one] for one in concluded]
        for group in groups:
            self._say_of(group, timing)

    def _say_of(self, group: Concluded, timing: _Timing) -> None:
        """Log one line: the ids of the events, by the tables that got rows, or by another outcome."""
        written: dict[str, list[str]] = {}
        for delivery, outcome in group:
            for word in _words(delivery.event, outcome):
                written.setdefault(word, []).append(delivery.element["event_id"])
        kinds = {outcome.kind for _, outcome in group}
        said = "persisted" if "persisted" in kinds else ", ".join(sorted(kinds))
        log = self._bound(group[0][0] if len(group) == 1 else None)
        log.info(said, **written, **timing.fields(group))

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
    """Yield the tables that got rows, in the upper-case names that people grep for, or the outcome."""
    if outcome.kind == "duplicate":
        yield "duplicates"
    elif outcome.kind == "persisted":
        yield "ACTIVITIES"
        if isinstance(event, OrderCompleted):
            yield "ORDERS"
        if outcome.session_written:
            yield "SESSIONS"
    else:
        yield outcome.kind
