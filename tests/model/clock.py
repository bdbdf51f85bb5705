"""The model's own time and its own threads: nothing waits, and calls end in the order that a rule chooses."""

import gc
import logging
import math
import random
import traceback
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import cache
from itertools import count
from typing import Any
from unittest.mock import patch

import structlog
from rq import serializers
from rq.worker import base

from worker import apart, batches, claims, consumer, probe, scripts, slowness, underway

_TICKS = 1024  # a second; the clock's values stay exact in binary, so a deadline is met and not just missed
_ALLOCATIONS = 500_000  # objects between two searches for garbage
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


class Answer:
    """The answer of a call in a thread. The call is made when a rule says so, or when a worker waits long.

    It has the methods of a future that the worker uses. A future has a lock, which takes time.
    """

    def __init__(self, call: Callable[[], Any], calls: "Calls") -> None:
        self._call = call
        self._calls = calls
        self._is_done, self._result = False, None
        self._fault: Exception | None = None

    def run(self) -> None:
        """Make the call."""
        self._calls.pending.remove(self)
        try:
            self._result = self._call()
        except Exception as error:  # noqa: BLE001 # whoever asks for the result gets it, as in worker.background
            self._fault = error
        self._is_done = True

    def done(self) -> bool:
        """Return whether the call is made."""
        return self._is_done

    def exception(self, timeout: float | None = None) -> Exception | None:
        """Return the call's exception, after a wait on the model's clock."""
        if not self._is_done and timeout != 0:
            self._wait(timeout)
        if not self._is_done:
            raise TimeoutError
        return self._fault

    def result(self, timeout: float | None = None) -> Any:
        """Return the call's result, after a wait on the model's clock."""
        if fault := self.exception(timeout):
            raise fault
        return self._result

    def _wait(self, timeout: float | None) -> None:
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


def _last_line(exc_info: tuple[type[BaseException], BaseException, object]) -> str:
    return "".join(traceback.format_exception_only(exc_info[1]))


@contextmanager
def quiet() -> Iterator[None]:
    """Leave out what takes time: log lines, stack traces, the files of scripts, the search for garbage."""
    before, pace = structlog.get_config(), gc.get_threshold()
    gc.freeze()
    gc.set_threshold(_ALLOCATIONS)
    structlog.configure(processors=[_drop])
    logging.disable(logging.CRITICAL)
    try:
        with (
            patch.object(scripts, "_joined", cache(scripts._joined)),
            patch.object(serializers, "Serializer", object),  # to compare with this protocol takes long
            patch.object(base, "format_exc_info", _last_line),
        ):
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
        for module in (apart, batches, consumer, probe, slowness, underway):
            stack.enter_context(patch.object(module, "time", clock))
        for module in (batches, probe, slowness):
            stack.enter_context(patch.object(module, "in_thread", calls.in_thread))
        stack.enter_context(patch.object(apart, "random", random.Random(0)))
        stack.enter_context(patch.object(consumer, "uuid4", lambda: uuid.UUID(int=next(numbers))))
        stack.enter_context(patch.object(claims, "LEASE_TTL", 1e6))  # a rule ends it
        yield
