"""Measures what must not grow with the backlog or with time, and fairness behind a backlog."""

import time
from typing import NamedTuple

import psutil  # it has no types

from bench.latency import WORKER
from bench.processes import BenchError, until
from bench.stage import QUEUE, SHOPS, Stage, order

_FIRST = 10_000  # events whose draining is timed
_SHALLOW = "bench-shallow"
_DEPTH = 2  # concurrent batches of our worker
_LONG = 900.0  # seconds
_MIB = 1024 * 1024


class Memory(NamedTuple):
    """The memory of a worker over many events, in MiB."""

    events: int
    early: float
    """After a tenth of the events."""
    late: float
    """After all events."""


def redis_bytes(stage: Stage, number: int) -> float:
    """Return the bytes of Redis per waiting event; each event is the README's example order."""
    stage.clear()
    before = _used(stage)
    stage.flood(number)
    return (_used(stage) - before) / number


def scaled(stage: Stage, workers: int, events: int) -> float:
    """Return the events a second of ``workers`` workers on one queue."""
    stage.clear()
    backlog = stage.orders(events)
    stage.publish("botlive", backlog, "load")
    with stage.running(["sh", "-c", " ".join([*WORKER, "&"] * workers) + " wait"]):
        until(lambda: stage.count() >= events, "the workers did not persist all events in time", pause=0.1)
        stage.check(backlog)
    return stage.pace(at_once=workers * _DEPTH)


def fairness(stage: Stage, waiting: int, delay: int) -> float:
    """Return the seconds until another shop's event has its row, behind ``waiting`` events of one shop."""
    stage.clear()
    stage.flood(waiting, SHOPS[:1])
    publisher = stage.publisher
    with stage.running(WORKER, stage.at(delay)):
        until(lambda: bool(stage.count()), "the worker persisted nothing")
        began = time.perf_counter()
        event_id = publisher.publish(order(SHOPS[1]))
        until(lambda: stage.has(event_id), "the other shop's event was not persisted in time", pause=0.005)
        took = time.perf_counter() - began
        if stage.count() > waiting - 500:  # the flood had ended, so nothing delayed the event
            raise BenchError("the flood ended before the other shop's event was persisted")
    return took


def wait(stage: Stage, number: int) -> None:
    """Clear everything and put ``number`` events on the queue."""
    stage.clear()
    stage.flood(number)


def draining(stage: Stage, queue: str = QUEUE) -> float:
    """Return the microseconds per event for the first 10,000 waiting events, on empty tables."""
    stage.clear_tables()
    # The worker is stopped, not killed: the events of a killed worker run again in small groups.
    with stage.running(WORKER, {**stage.at(0), "BOTLIVE_QUEUE": queue}, stopped=True):
        until(lambda: stage.count() >= _FIRST, "the backlog was not drained in time", pause=0.05)
    return 1e6 / stage.pace(at_once=_DEPTH, first=_FIRST)


def draining_shallow(stage: Stage) -> float:
    """Return the same for 10,000 events that wait alone, on another queue."""
    stage.flood(_FIRST, queue=_SHALLOW)
    return draining(stage, _SHALLOW)


def memory(stage: Stage) -> Memory:
    """Return a worker's resident memory while it persists all waiting events."""
    stage.clear_tables()
    total = stage.waiting()
    with stage.running(WORKER) as worker:
        until(
            lambda: stage.count() >= total / 10,
            "the backlog was not drained in time",
            pause=0.2,
            patience=_LONG,
        )
        early = _resident(worker)
        until(lambda: stage.count() >= total, "the backlog was not drained in time", pause=1, patience=_LONG)
        return Memory(total, early, _resident(worker))


def _used(stage: Stage) -> int:
    return int(stage.redis.info("memory")["used_memory"])


def _resident(process: psutil.Process) -> float:
    return float(process.memory_info().rss) / _MIB
