"""The circuit breaker: decides when to call Supabase, with how many events, and which event is the cause.

While it is open, the worker claims nothing and sends probes, which carry no event, with growing pauses.
After a probe has passed, the same events are tried again. If they fail again while probes pass, the batch
is split until one event is alone. An event is the cause only if it has failed alone several times in a row.
"""

import random
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from gateway.errors import WorkerError

CAP = 30.0
"""Seconds between two probes, at most, unless the server asks for a longer pause."""
_BASE = 0.2  # seconds
_NAP = 0.25  # seconds
_TRIES_ALONE = 4  # failures of one event alone, each after a successful probe


@dataclass
class Breaker:
    """A circuit breaker. Its clock, random numbers and sleep are parameters; apart from them it is pure."""

    most: int
    """Events in one call, at most, while all is well."""
    clock: Callable[[], float] = time.monotonic
    rng: random.Random = field(default_factory=random.Random)
    sleep: Callable[[float], None] = time.sleep
    fault: WorkerError | None = None
    """Why it is open; None while it is closed."""
    limit: int = field(init=False)
    """Events in the next call, at most."""

    def __post_init__(self) -> None:
        self.limit = self.most
        self._failures = 0
        self._alone: Counter[str] = Counter()
        self._probed = False
        self._due = 0.0

    @property
    def is_open(self) -> bool:
        """Whether events must not be sent."""
        return self.fault is not None

    @property
    def wait(self) -> float:
        """Seconds until the next probe is due."""
        return max(0.0, self._due - self.clock())

    def sleep_briefly(self) -> None:
        """Sleep for a part of the wait, so that a stop or a heartbeat is not delayed by all of it."""
        self.sleep(min(self.wait, _NAP))

    @property
    def is_careful(self) -> bool:
        """Whether the cause of a failure is being searched for; then only one call is in flight at a time."""
        return self._probed or self.limit < self.most

    @property
    def probes_pass(self) -> bool:
        """Whether a probe has passed since a call with events failed, and no such call has."""
        return self._probed

    def failed(self, job_ids: Sequence[str], fault: WorkerError) -> bool:
        """Record that a call with these events failed. Return whether its only event is the cause."""
        if self._probed:
            self.limit = max(1, len(job_ids) // 2)
            # Each event has its own count: other workers may take the event in between, and this one another.
            if len(job_ids) == 1:
                self._alone.update(job_ids)
            else:
                self._alone.clear()
            if self._alone[job_ids[0]] >= _TRIES_ALONE:
                self._reset()
                return True
        self._open(fault)
        return False

    def refused(self, size: int) -> None:
        """Record that a call was refused for its content: it is split, without a pause."""
        self.limit = max(1, size // 2)

    def passed(self) -> None:
        """Record that a call with events succeeded."""
        self._reset()
        self.limit = min(self.most, self.limit * 2)

    def explained(self) -> None:
        """Record that the cause of a failure was found: it lies with one shop."""
        self._reset()

    def probe_passed(self) -> None:
        """Close the breaker after a successful probe: the same events are tried again."""
        self.fault = None
        self._probed = True
        # A split needs no pause; another try of one event does.
        self._failures = max(self._alone.values(), default=0)

    def probe_failed(self, fault: WorkerError) -> None:
        """Keep the breaker open after a failed probe: the outage may explain the earlier failures."""
        self._probed = False
        self._alone.clear()
        self._open(fault)

    def _open(self, fault: WorkerError) -> None:
        # Full jitter (AWS Architecture Blog, "Exponential Backoff and Jitter"), so that workers do not
        # all return at once.
        pause = self.rng.uniform(0, min(CAP, _BASE * 2.0**self._failures))
        self._due = self.clock() + max(pause, getattr(fault, "retry_after", None) or 0.0)
        self._failures = min(self._failures + 1, 16)
        self.fault = fault

    def _reset(self) -> None:
        self._failures = 0
        self._alone.clear()
        self._probed = False
        self.fault = None
