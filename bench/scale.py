"""The size of the runs: ``QUICK=1`` gives the same tables from smaller runs; ``BENCH_ROWS`` sets ``rows``."""

import os
from dataclasses import dataclass, replace


@dataclass(frozen=True)
class Scale:
    """Numbers of events, unless stated otherwise."""

    rounds: int = 3
    """Rounds of measurements that start a process each time, and so are slow."""
    publish_rounds: int = 3
    seconds: float = 3.0
    """Approximate duration of a run that persists."""
    alone: int = 2_000
    together: int = 5_000
    latency: int = 100
    starts: int = 5
    """Starts of a worker, timed until it is ready."""
    scaling: int = 30_000
    flood: int = 100_000
    """Events of one shop that wait before another shop's event."""
    memory: int = 20_000
    """Waiting events for the measurement of Redis' memory."""
    deep: int = 1_000_000
    """Waiting events for the cost of a backlog; persisted afterwards, to measure the worker's memory."""

    rows: int = 3_000_000
    """Orders, activities and events in the inbox, for the cost of a batch on large tables."""
    is_quick: bool = False
    """Whether this is the smaller scale."""


QUICK = Scale(
    rounds=1,
    seconds=0.5,
    alone=400,
    together=1_000,
    latency=30,
    starts=3,
    scaling=10_000,
    flood=20_000,
    memory=5_000,
    deep=40_000,
    rows=1_000_000,
    is_quick=True,
)


def chosen() -> Scale:
    """Return the scale that the environment selects."""
    scale = QUICK if os.environ.get("QUICK", "0") not in {"", "0"} else Scale()
    return replace(scale, rows=int(os.environ.get("BENCH_ROWS") or scale.rows))
