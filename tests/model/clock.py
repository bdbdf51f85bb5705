"""The model's own time and its own threads: nothing waits, and calls end in the order that a rule chooses."""

import gc
import logging
import math
import random
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import ExitStack, contextmanager
from functools import cache
from itertools import count
from typing import Any
from unittest.mock import patch

import structlog

from worker import apart, batches, claims, consumer, probe, scripts, underway

_TICKS = 1024  # a second; the clock's values stay exact in binary, so a deadline is met and not just missed
_ALLOCATIONS = 100_000  # objects between two searches for garbage
_SLICE = 0.25  # seconds; a worker that waits no longer than this looks again later


class Clock:
    """A monotonic clock that only the model moves."""

    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        """Return the time in seconds."""
        return self.now

    def sleep(self, seconds: float) -> None:
        """Move the clock."""
        self.now += math.ceil(seconds * _TICKS) / _TICKS


class Answer(Future[Any]):
    """The answer of a call in a thread. The call is made when a rule says so, or when a worker waits long."""

    def __init__(self, call: Callable[[], Any], calls: "Calls") -> None:
        super().__init__()
        self._call = call
        self._calls = calls

    def run(self) -> None:
        """Make the call."""
        self._calls.pending.remove(self)
        try:
            self.set_result(self._call())
        except Exception as error:  # noqa: BLE001 # the future raises it, as in worker.background
            self.set_exception(error)

    def exception(self, timeout: float | None = None) -> BaseException | None:
        """Return the call's exception, after a wait on the model's clock."""
        self._wait(timeout)
        return super().exception(0)

    def result(self, timeout: float | None = None) -> Any:
        """Return the call's result, after a wait on the model's clock."""
        self._wait(timeout)
        return super().result(0)

    def _wait(self, timeout: float | None) -> None:
        if self.done() or timeout == 0:
            return
        if timeout is None or timeout > _SLICE:
            self.run()
        else:
            self._calls.clock.sleep(timeout)


class Calls:
    """The calls in threads that have no answer yet, also those of killed workers."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.pending: list[Answer] = []

    def in_thread(self, call: Callable[[], Any]) -> Answer:
        """Replace ``worker.background.in_thread``."""
        answer = Answer(call, self)
        self.pending.append(answer)
        return answer


def _drop(*_: object) -> Any:
    raise structlog.DropEvent


@contextmanager
def quiet() -> Iterator[None]:
    """Drop all log lines, read each script's file once, and seldom look for garbage, which takes time."""
    before, pace = structlog.get_config(), gc.get_threshold()
    gc.freeze()
    gc.set_threshold(_ALLOCATIONS)
    structlog.configure(processors=[_drop])
    logging.disable(logging.CRITICAL)
    try:
        with patch.object(scripts, "_text", cache(scripts._text)):
            yield
    finally:
        logging.disable(logging.NOTSET)
        structlog.configure(**before)
        gc.set_threshold(*pace)
        gc.unfreeze()


@contextmanager
def controlled(clock: Clock, calls: Calls) -> Iterator[None]:
    """Replace the time, the threads and the random values of the worker's modules."""
    numbers = count(1)
    with ExitStack() as stack:
        for module in (apart, batches, consumer, probe, underway):
            stack.enter_context(patch.object(module, "time", clock))
        for module in (apart, batches, probe):
            stack.enter_context(patch.object(module, "in_thread", calls.in_thread))
        stack.enter_context(patch.object(apart, "random", random.Random(0)))
        stack.enter_context(patch.object(consumer, "uuid4", lambda: uuid.UUID(int=next(numbers))))
        stack.enter_context(patch.object(claims, "LEASE_TTL", 1e6))  # a rule ends it
        yield
