"""One contender persists a backlog: how quickly, and by whose work.

The backlog is complete before the worker starts. The rate comes from the rows themselves: each carries
the time at which its transaction began. Those that begin at once, before any has ended, are left out, as
many as the contender has under way; the events of the rest are divided by the time from the last of
those to the last of all. Starting up counts for nobody, nothing polls at a rate that would disturb, and
neither prefetching nor a wide first wave wins anything.
"""

from collections.abc import Mapping
from typing import NamedTuple

import psutil  # it has no types

from bench.contenders import Contender
from bench.processes import PATIENCE, BenchError, until
from bench.stage import Stage

_LEAST = 16  # events
_WAVES = 3  # of all that is under way at once
_QUICK = 1_000  # events a second that only batches reach
_BATCHED = 10_000  # events at least, so that there are twenty batches


class Run(NamedTuple):
    """What one run showed."""

    events: int
    rate: float
    """Events a second."""
    cores: Mapping[str, float]
    """How many cores each part kept busy: worker, redis, gateway, postgres."""


def size(contender: Contender, delay: int, seconds: float) -> int:
    """Events for a run of about so long."""
    pace = contender.pace[bool(delay)]
    least = _BATCHED if pace > _QUICK else max(_LEAST, _WAVES * contender.at_once)
    return max(least, int(pace * seconds))


def run(stage: Stage, contender: Contender, delay: int, events: int) -> Run:
    """Let it persist so many events.

    Raises:
        BenchError: it did not, or not correctly.
    """
    stage.clear()
    backlog = stage.orders(events)
    if contender.queue:
        stage.publish(contender.queue, backlog, "load")
    else:
        stage.write(backlog)
    with stage.running(contender.command, {**stage.at(delay), **contender.environment}) as process:
        until(lambda: _has(stage, process, 1), "it persisted nothing")
        began, before = stage.count(), busy(stage, process)
        until(lambda: _has(stage, process, events), f"it did not end within {PATIENCE:.0f} s", pause=0.1)
        after = busy(stage, process)
        stage.check(backlog)
    rate = stage.pace(at_once=contender.at_once)
    return Run(events, rate, _cores(before, after, (events - began) / rate))


def _has(stage: Stage, process: psutil.Process, events: int) -> bool:
    ended = process.status() == psutil.STATUS_ZOMBIE
    if stage.count() >= events:
        return True
    if ended:
        raise BenchError("the worker ended before its work")
    return False


def busy(stage: Stage, worker: psutil.Process) -> dict[str, float]:
    """Seconds of processor time that each part has used, with its children, living or not."""
    parts = {name: [psutil.Process(pid) for pid in pids] for name, pids in stage.servers().items()}
    return {name: sum(map(_busy, processes)) for name, processes in {"worker": [worker], **parts}.items()}


def _busy(process: psutil.Process) -> float:
    return sum(map(_own, [process, *process.children(recursive=True)]))


def _own(process: psutil.Process) -> float:
    try:
        return float(sum(process.cpu_times()[:4]))  # user, system, and those of its dead children
    except psutil.NoSuchProcess:  # its parent has it now
        return 0.0


def _cores(before: dict[str, float], after: dict[str, float], seconds: float) -> dict[str, float]:
    return {name: (after[name] - before[name]) / seconds for name in before}
