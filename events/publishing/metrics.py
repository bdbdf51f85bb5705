"""The metrics of a publisher, for Prometheus. They need the package ``prometheus-client``.

No label holds personal data or a shop. docs/metrics.md has the use with several processes.
"""

from collections.abc import Iterator
from contextlib import suppress

from prometheus_client import REGISTRY, CollectorRegistry, Counter, Histogram
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from events.errors import OutboxFailed
from events.publishing.forks import Undivided
from events.publishing.observer import Result
from events.publishing.publisher import Publisher

_RESULTS: tuple[Result, ...] = ("queued", "kept", "refused")
_BUCKETS = (0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5, 1, 2)

# A fork during a count would leave a lock of prometheus-client locked in the child for good.
_counting = Undivided()


def export(publisher: Publisher, registry: CollectorRegistry = REGISTRY) -> None:
    """Count in the registry what the publisher does from now on, and show its outbox there.

    Raises:
        ValueError: the registry already has the metrics of a publisher.
    """
    counts = _Counts(registry)
    registry.register(OutboxGauges(publisher))
    publisher.observe(counts)


class OutboxGauges(Collector):
    """Gauges of a publisher's outbox, read at each scrape. Without an outbox there are none."""

    def __init__(self, publisher: Publisher) -> None:
        self._outbox = publisher.outbox

    def describe(self) -> Iterator[Metric]:
        """Name the gauges without opening the file."""
        yield from _outbox_gauges()

    def collect(self) -> Iterator[Metric]:
        """Read the outbox. If its file cannot be read, there are no values."""
        if self._outbox is not None:
            with suppress(OutboxFailed):
                yield from _outbox_gauges(len(self._outbox), self._outbox.limit)


def _outbox_gauges(events: int | None = None, limit: int | None = None) -> tuple[Metric, Metric]:
    return (
        GaugeMetricFamily("botlive_outbox_events", "Events in the outbox.", events),
        GaugeMetricFamily("botlive_outbox_limit_events", "Events that the outbox may hold.", limit),
    )


class _Counts:
    """An observer (``events.publishing.observer``)."""

    def __init__(self, registry: CollectorRegistry) -> None:
        events = Counter(
            "botlive_published_events",
            "Events by the result of their publication: queued, kept (in the outbox) or refused.",
            ["result"],
            registry=registry,
        )
        # Made now, so that each starts at 0 and Prometheus sees the first increase.
        self._events = {result: events.labels(result) for result in _RESULTS}
        self._again = Counter(
            "botlive_published_again_events",
            "Events that were published again, because Redis had forgotten them.",
            registry=registry,
        )
        self._seconds = Histogram(
            "botlive_publish_seconds",
            "Time that a call of the publisher took, with 500 events at most.",
            buckets=_BUCKETS,
            registry=registry,
        )

    def published(self, events: int, result: Result, seconds: float) -> None:
        with _counting:
            self._events[result].inc(events)
            self._seconds.observe(seconds)

    def published_again(self, events: int) -> None:
        with _counting:
            self._again.inc(events)
