"""Runs the model for a number of steps. The same seed makes the same steps."""

from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context

from tests.model.client import Server
from tests.model.clock import quiet
from tests.model.server import serving
from tests.model.walk import shorten, walk

LENGTH = 200
"""Steps of one run."""
_PART = 50  # runs that one process makes before the next result
_context = get_context("fork")  # the processes share what follows
_over = _context.RawValue("b")  # without a lock, so that the handler of a signal may set it at any moment


@dataclass
class Outcome:
    """What was seen."""

    steps: int = 0
    fault: str | None = None
    seed: int = 0
    """The seed of the run that failed."""


def explore(server: Server, steps: int, first: int = 1, *, shrink: bool = False) -> Outcome:
    """Make steps until there are so many or one fails. Each run has its own seed."""
    outcome = Outcome()
    with quiet():
        for seed in range(first, first + _runs(steps)):
            if _over.value:
                break
            moves, fault = walk(server, seed, min(LENGTH, steps - outcome.steps))
            outcome.steps += len(moves)
            if fault:
                shortest = shorten(server, moves) if shrink else moves
                outcome.fault = "\n".join([f"{type(fault).__name__}: {fault}", *map(str, shortest)])
                outcome.seed = seed
                break
    return outcome


def explore_in_parts(redis: str, steps: int, first: int, jobs: int) -> Iterator[Outcome]:
    """Explore in several processes. Return the outcome of each part, in order.

    After ``stop``, or after a part that failed, each process ends the run that it makes and begins no other.
    """
    parts = range(first, first + _runs(steps), _PART)
    try:
        with ProcessPoolExecutor(jobs, _context) as pool:
            for outcome in pool.map(_part, [redis] * len(parts), parts):
                if outcome.fault:
                    stop()
                yield outcome
    finally:
        _over.value = 0


def stop(*_: object) -> None:
    """Let all processes end soon. It can be the handler of a signal."""
    _over.value = 1


def _part(redis: str, first: int) -> Outcome:
    with serving(redis) as server:
        return explore(server, _PART * LENGTH, first, shrink=True)


def _runs(steps: int) -> int:
    return -(-steps // LENGTH)
