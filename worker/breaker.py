"""The circuit breaker: when to call Supabase, with how many events, and whom to blame.

While it is open, nothing is claimed; a probe that carries no event is sent, with growing pauses. After a
probe has passed, the same events are tried again: if these fail and the probe passes once more, they are
split, until one stands alone. That one is to blame only when it has failed so several times in a row.
"""

import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from gateway.errors import WorkerError

CAP = 30.0
"""Seconds between two probes, at most, unless the server asks for more."""
_BASE = 0.2  # seconds
_DOZE = 0.25  # seconds
_TRIES_ALONE = 4  # failures of one event alone, each after a probe that passed


@dataclass
class Breaker:
    """Closed while calls go through. Pure but for the clock, the sleep and the dice, which are given."""

    most: int
    """Events in one call, at most."""
    clock: Callable[[], float] = time.monotonic
    dice: random.Random = field(default_factory=random.Random)
    sleep: Callable[[float], None] = time.sleep
    fault: WorkerError | None = None
    """Why it is open; None while it is closed."""
    limit: int = field(init=False)
    """Events that the next call may carry."""

    def __post_init__(self) -> None:
        self.limit = self.most
        self._failures = 0
        self._alone = 0
        self._probed = False
        self._due = 0.0

    @property
    def is_open(self) -> bool:
        """Whether no event may be sent."""
        return self.fault is not None

    @property
    def wait(self) -> float:
        """Seconds until the next probe is due."""
        return max(0.0, self._due - self.clock())

    def doze(self) -> None:
        """Sleep away some of the wait: a stop and a heartbeat must not wait for all of it."""
        self.sleep(min(self.wait, _DOZE))

    @property
    def is_careful(self) -> bool:
        """Whether it is being found out whose fault a failure was: one call at a time, then."""
        return self._probed or self.limit < self.most

    def failed(self, size: int, fault: WorkerError) -> bool:
        """A call with that many events failed; whether its one event is to blame for it."""
        if self._probed:
            self._alone = self._alone + 1 if size == 1 else 0
            self.limit = max(1, size // 2)
            if self._alone >= _TRIES_ALONE:
                self._forget()
                return True
        self._open(fault)
        return False

    def refused(self, size: int) -> None:
        """The call was refused for what it carried: split it, there is nothing to wait for."""
        self.limit = max(1, size // 2)

    def passed(self) -> None:
        """A call with events went through."""
        self._forget()
        self.limit = min(self.most, self.limit * 2)

    def probe_passed(self) -> None:
        """The way is free: the same events may try again."""
        self.fault = None
        self._probed = True
        self._failures = self._alone  # splitting need not wait; trying one event again does

    def probe_failed(self, fault: WorkerError) -> None:
        """Still no way: whatever failed before may have been the outage's doing."""
        self._probed = False
        self._alone = 0
        self._open(fault)

    def _open(self, fault: WorkerError) -> None:
        # Full jitter (AWS Architecture Blog, "Exponential Backoff and Jitter"): workers do not come
        # back all at once.
        pause = self.dice.uniform(0, min(CAP, _BASE * 2.0**self._failures))
        self._due = self.clock() + max(pause, getattr(fault, "retry_after", None) or 0.0)
        self._failures = min(self._failures + 1, 16)
        self.fault = fault

    def _forget(self) -> None:
        self._failures = self._alone = 0
        self._probed = False
        self.fault = None
