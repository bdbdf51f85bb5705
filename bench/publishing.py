"""Measures what publishing one event costs the chat."""

import statistics
from dataclasses import dataclass
from typing import Any, NamedTuple

from bench.processes import BenchError
from bench.stage import ROUND_TRIP, Stage

OURS = "ours"
RAW = "raw MULTI of the same bytes"
ENQUEUE = "rq queue.enqueue"
INLINE = "inline: four HTTP calls"
FAR_INLINE = f"{INLINE}, {ROUND_TRIP} ms"


@dataclass(frozen=True)
class Way:
    """One way to publish; slow ways get a smaller share of the events."""

    name: str
    queue: str
    """The module of ``bench.queues``."""
    share: float = 1.0
    delay: int = 0


WAYS = [
    Way(OURS, "botlive"),
    Way(RAW, "raw"),
    Way(ENQUEUE, "rq"),
    *(Way(name, name) for name in ("celery", "dramatiq", "huey", "saq", "taskiq")),
    Way(INLINE, "inline", 0.02),
    Way(FAR_INLINE, "inline", 0.02, ROUND_TRIP),
]
_ALONE_AT_LEAST, _TOGETHER_AT_LEAST = 5, 50
_WARM = 50  # untimed events first: they open connections, import modules and fill caches


CLIENTS = 50


class Cost(NamedTuple):
    """The result of one round, in microseconds."""

    each: float
    """The time of all events divided by their number."""
    p50: float
    p99: float


def measure(stage: Stage, way: Way, how: str, events: int) -> Cost:
    """Publish by this way, one event at a time (``alone``) or fifty at once (``together``).

    Raises:
        BenchError: the producer failed, or events are missing.
    """
    stage.clear()
    least = _ALONE_AT_LEAST if how == "alone" else _TOGETHER_AT_LEAST
    number = max(least, int(events * way.share))
    if way.queue != "inline":  # inline keeps no connection, so there is nothing to warm up
        stage.publish(way.queue, stage.orders(_WARM), how, delay=way.delay)
        stage.clear()
    batch = stage.orders(number)
    said = stage.publish(way.queue, batch, how, delay=way.delay)
    _check(stage, way, number)
    return _cost(said, number)


def _check(stage: Stage, way: Way, number: int) -> None:
    if way.queue in {"botlive", "raw", "rq"} and (found := stage.redis.llen("rq:queue:bench")) != number:
        raise BenchError(f"{way.name}: {found} of {number} events are on the queue")
    if way.queue == "inline":
        query = "select (select count(*) from public.orders), (select count(*) from public.activities)"
        if stage.database.execute(query.encode()).fetchone() != (number, number):
            raise BenchError(f"{way.name}: not all rows are there")


def _cost(said: dict[str, Any], number: int) -> Cost:
    each = sorted(said["each"])
    p99 = each[min(len(each) - 1, int(len(each) * 0.99))]
    return Cost(said["took"] / number * 1e6, statistics.median(each) * 1e6, p99 * 1e6)
