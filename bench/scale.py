"""How much is measured: ``QUICK=1`` gives the same tables of smaller runs."""

import os
from dataclasses import dataclass


@dataclass(frozen=True)
class Scale:
    """Numbers of events, unless it says otherwise."""

    rounds: int = 3
    """Of what starts a process each time, and so takes long."""
    publish_rounds: int = 3
    seconds: float = 3.0
    """That a run of persisting lasts, about."""
    alone: int = 2_000
    together: int = 5_000
    latency: int = 100
    starts: int = 5
    """Of a worker, timed until it is ready."""
    scaling: int = 30_000
    flood: int = 100_000
    """Of one shop, in front of another's."""
    memory: int = 20_000
    """Waiting, to weigh them in Redis."""
    deep: int = 1_000_000
    """Waiting, to see whether a backlog costs; then drained, to weigh the worker."""

    @property
    def is_quick(self) -> bool:
        """Whether it is the smaller one."""
        return self == QUICK


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
)


def chosen() -> Scale:
    """As the environment says."""
    return QUICK if os.environ.get("QUICK", "0") not in {"", "0"} else Scale()
