"""The metrics of one worker process, for Prometheus. No label holds personal data or a shop.

Names follow https://prometheus.io/docs/practices/naming/.
"""

from collections import Counter as Tally
from collections.abc import Iterable
from typing import get_args

from prometheus_client import CollectorRegistry, Counter, Histogram, Info

from events import EventType
from gateway.client import OutcomeKind
from gateway.errors import EventRefused
from gateway.release import release

REGISTRY = CollectorRegistry()
"""The metrics of this process."""

_EVENTS = Counter(
    "botlive_events",
    "Events with a result, by type and result (persisted, duplicate, unknown_company, refused, apart).",
    ["type", "result"],
    registry=REGISTRY,
)
_FAILED = Counter(
    "botlive_failed_events", "Events that were put into the failed registry.", ["reason"], registry=REGISTRY
)
_BATCH = Histogram(
    "botlive_batch_events",
    "Events in one call.",
    buckets=(1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 5000),
    registry=REGISTRY,
)
_CALL = Histogram(
    "botlive_call_seconds",
    "Duration of a call to Supabase that persists a batch; a call that failed counts too.",
    buckets=(0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20),
    registry=REGISTRY,
)
_AGE = Histogram(
    "botlive_batch_oldest_event_age_seconds",
    "Time from the oldest event of a batch (its occurred_at) to its result.",
    buckets=(0.1, 0.5, 1, 2, 5, 10, 30, 60, 300, 900, 3600, 21600, 86400),
    registry=REGISTRY,
)
Info("botlive_release", "The release of this worker.", registry=REGISTRY).info({"version": release()})

# Each starts at 0: Prometheus sees the first event as an increase only if it saw a 0 before.
for _type in get_args(EventType):
    for _result in get_args(OutcomeKind):
        _EVENTS.labels(_type, _result)
_REASONS: list[type[EventRefused]] = [EventRefused, *EventRefused.__subclasses__()]
for _reason in _REASONS:
    _FAILED.labels(_reason.__name__)


def count_call(size: int, seconds: float) -> None:
    """Count one call with that many events."""
    _BATCH.observe(size)
    _CALL.observe(seconds)


def count_results(results: Iterable[tuple[str, str]], oldest: float) -> None:
    """Count the results of a batch, each an event's type and its result; ``oldest`` in seconds."""
    for (event_type, result), number in Tally(results).items():
        _EVENTS.labels(event_type, result).inc(number)
    _AGE.observe(max(0.0, oldest))


def count_failure(reason: str) -> None:
    """Count an event that failed; ``reason`` is the name of its error."""
    _FAILED.labels(reason).inc()
