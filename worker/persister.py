"""Persists deliveries and says in the log what was written where."""

from collections.abc import Sequence
from typing import NamedTuple, Protocol

import structlog

from events import Event, OrderCompleted
from worker.errors import EventRefused
from worker.gateway import Outcome


class Delivery(NamedTuple):
    """An event as the queue hands it out."""

    job_id: str
    event: Event


class Persists(Protocol):
    """What the persister needs of a gateway."""

    def persist(self, events: Sequence[Event]) -> list[Outcome]:
        """As ``Gateway.persist``."""


class Persister:
    """Hands batches to the gateway."""

    def __init__(self, gateway: Persists) -> None:
        self._gateway = gateway
        self._log = structlog.stdlib.get_logger("botlive")

    def persist(self, deliveries: Sequence[Delivery]) -> list[EventRefused | None]:
        """Persist a batch in one transaction; for each delivery why it was refused, or None.

        Raises:
            WorkerError: the call failed as a whole; calling again with the same is harmless.
        """
        outcomes = self._gateway.persist([delivery.event for delivery in deliveries])
        return [self._conclude(*pair) for pair in zip(deliveries, outcomes, strict=True)]

    def _conclude(self, delivery: Delivery, outcome: Outcome) -> EventRefused | None:
        event = delivery.event
        log = self._log.bind(event_id=str(event.event_id), event_type=event.type, job_id=delivery.job_id)
        error = outcome.error(event)
        if error:
            return error  # whoever asked for it says so
        if outcome.kind == "duplicate":
            log.info("duplicate")
        else:
            log.info("persisted", written=_written(event, outcome))
        return None


def _written(event: Event, outcome: Outcome) -> str:
    """The tables that got rows, in the words that people grep for."""
    words = [
        "ORDERS" if isinstance(event, OrderCompleted) else "",
        "ACTIVITIES",
        "SESSIONS" if outcome.session_written else "",
    ]
    return " ".join(filter(None, words))
