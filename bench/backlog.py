"""Measures how fast one contender persists a backlog, and which processes use the time.

The backlog is complete before the worker starts. The rate is computed from the rows: each row has the
start time of its transaction. The first transactions, as many as the contender runs at the same time,
are excluded. The rate is the number of the other events, divided by the time from the last excluded
transaction to the last of all. So start-up time is excluded for every contender, and neither
prefetching nor many first calls at once give an advantage. Polling is too slow to disturb the run.
"""

from collections.abc import Mapping
from typing import NamedTuple

import psutil  # it has no types

from bench.contenders import Contender
from bench.processes import PATIENCE, BenchError, until
from bench.stage import Stage

_LEAST = 16  # events
_WAVES = 3  # times the number of concurrent calls
_QUICK = 1_000  # events a second; only batches are faster
_BATCHED = 10_000  # events at least, so that there are twenty batches


class Run(NamedTuple):
    """The result of one run."""

    events: int
    rate: float
    """Events a second."""
    cores: Mapping[str, float]
    """Cores that each part kept busy: worker, redis, gateway, postgres."""


def size(contender: Contender, delay: int, seconds: float) -> int:
    """Return the number of events for a run of about ``seconds``."""
    pace = contender.pace[bool(delay)]
    least = _BATCHED if pace > _QUICK else max(_LEAST, _WAVES * contender.at_once)
    return max(least, int(pace * seconds))


def run(stage: Stage, contender: Contender, delay: int, events: int) -> Run:
    """Run the contender on a backlog of ``events`` events.

    Raises:
        BenchError: the contender failed, or the rows are wrong.
    """
    stage.clear()
    backlog = stage.orders(events)
    if contender.queue:
        stage.publish(contender.queue, backlog, "load")
    else:
        stage.write(backlog)
    with stage.running(contender.command, {**stage.at(delay), **contender.environment}) as process:
        until(lambda: _has(stage, process, 1), "the worker persisted nothing")
        began, before = stage.count(), busy(stage, process)
        until(lambda: _has(stage, process, events), f"it did not finish within {PATIENCE:.0f} s", pause=0.1)
        after = busy(stage, process)
        stage.check(backlog)
    rate = stage.pace(at_once=contender.at_once)
    return Run(events, rate, _cores(before, after, (events - began) / rate))


def _has(stage: Stage, process: psutil.Process, events: int) -> bool:
    ended = process.status() == psutil.STATUS_ZOMBIE
    if stage.count() >= events:
        return True
    if ended:
        raise BenchError("the worker exited before it had persisted all events")
    return False


def busy(stage: Stage, worker: psutil.Process) -> dict[str, float]:
    """Return the seconds of processor time that each part has used, including ended child processes."""
    parts = {name: [psutil.Process(pid) for pid in pids] for name, pids in stage.servers().items()}
    return {name: sum(map(_busy, processes)) for name, processes in {"worker": [worker], **parts}.items()}


def _busy(process: psutil.Process) -> float:
    return sum(map(_own, [process, *process.children(recursive=True)]))


def _own(process: psutil.Process) -> float:
    try:
        return float(sum(process.cpu_times()[:4]))  # user, system, and both of its ended children
    except psutil.NoSuchProcess:  # its time now counts as its parent's
        return 0.0


def _cores(before: dict[str, float], after: dict[str, float], seconds: float) -> dict[str, float]:
    return {name: (after[name] - before[name]) / seconds for name in before}
