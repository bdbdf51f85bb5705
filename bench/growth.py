"""What grows with the backlog or with time, and must not; and fairness, which a backlog must not end."""

import time
from typing import NamedTuple

import psutil  # it has no types

from bench.latency import WORKER
from bench.processes import BenchError, until
from bench.stage import QUEUE, SHOPS, Stage, order

_FIRST = 10_000  # events whose draining is timed
_SHALLOW = "bench-shallow"
_DEPTH = 2  # batches that our worker has under way
_LONG = 900.0  # seconds
_MIB = 1024 * 1024


class Memory(NamedTuple):
    """Of a worker over many events, in MiB."""

    events: int
    early: float
    """After a tenth of the events."""
    late: float
    """After all."""


def redis_bytes(stage: Stage, number: int) -> float:
    """Bytes of Redis per waiting event, the README's example order."""
    stage.clear()
    before = _used(stage)
    stage.flood(number)
    return (_used(stage) - before) / number


def scaled(stage: Stage, workers: int, events: int) -> float:
    """Events a second of so many workers on one queue."""
    stage.clear()
    backlog = stage.orders(events)
    stage.publish("botlive", backlog, "load")
    with stage.running(["sh", "-c", " ".join([*WORKER, "&"] * workers) + " wait"]):
        until(lambda: stage.count() >= events, "the workers did not end", pause=0.1)
        stage.check(backlog)
    return stage.pace(at_once=workers * _DEPTH)


def fairness(stage: Stage, waiting: int, delay: int) -> float:
    """Seconds until the row of another shop's event behind so many of one shop's is there."""
    stage.clear()
    stage.flood(waiting, SHOPS[:1])
    publisher = stage.publisher
    with stage.running(WORKER, stage.at(delay)):
        until(lambda: bool(stage.count()), "the worker persisted nothing")
        began = time.perf_counter()
        event_id = publisher.publish(order(SHOPS[1]))
        until(lambda: stage.has(event_id), "the other shop waits too long", pause=0.005)
        took = time.perf_counter() - began
        if stage.count() > waiting - 500:  # the flood had ended: that says nothing
            raise BenchError("the flood was too short to be fair behind")
    return took


def wait(stage: Stage, number: int) -> None:
    """Let so many events wait, and no others."""
    stage.clear()
    stage.flood(number)


def draining(stage: Stage, queue: str = QUEUE) -> float:
    """Microseconds an event, of the first ten thousand that wait; tables are fresh."""
    stage.clear_tables()
    # Stopped in order: what a killed worker holds is run in small groups when it is recovered.
    with stage.running(WORKER, {**stage.at(0), "BOTLIVE_QUEUE": queue}, stopped=True):
        until(lambda: stage.count() >= _FIRST, "it does not drain", pause=0.05)
    return 1e6 / stage.pace(at_once=_DEPTH, first=_FIRST)


def draining_shallow(stage: Stage) -> float:
    """The same where no more than these wait, on a queue of their own."""
    stage.flood(_FIRST, queue=_SHALLOW)
    return draining(stage, _SHALLOW)


def memory(stage: Stage) -> Memory:
    """A worker's resident memory while it persists all that waits."""
    stage.clear_tables()
    total = stage.waiting()
    with stage.running(WORKER) as worker:
        until(lambda: stage.count() >= total / 10, "it does not drain", pause=0.2, patience=_LONG)
        early = _resident(worker)
        until(lambda: stage.count() >= total, "it does not drain", pause=1, patience=_LONG)
        return Memory(total, early, _resident(worker))


def _used(stage: Stage) -> int:
    return int(stage.redis.info("memory")["used_memory"])


def _resident(process: psutil.Process) -> float:
    return float(process.memory_info().rss) / _MIB
