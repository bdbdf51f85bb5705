"""What many tests need made."""

from collections.abc import Sequence

from events import AnyEvent
from gateway.client import Gateway, Outcome
from worker.elements import element


def persist(gateway: Gateway, events: Sequence[AnyEvent], *, apart: bool = False) -> list[Outcome]:
    """Persist the events in one transaction, as a worker does."""
    return gateway.persist([element(event) for event in events], apart=apart)
