"""Limits how often a lasting problem is logged: at once, then once a minute, and once at its end."""

import time
from collections.abc import Callable
from threading import Lock

EVERY = 60.0
"""Seconds between two notices of one kind of problem."""


class Notices:
    """The notices of one component that can fail in several ways. Safe to share between threads."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = Lock()
        self._said: dict[str, float] = {}
        self._since = 0.0

    @property
    def is_on(self) -> bool:
        """Whether a problem was logged that has not ended."""
        return bool(self._said)

    def is_due(self, kind: str) -> bool:
        """Return whether to log this kind of problem now. If so, it counts as logged."""
        with self._lock:
            now = self._clock()
            if not self._said:
                self._since = now
            if now - self._said.get(kind, float("-inf")) < EVERY:
                return False
            self._said[kind] = now
            return True

    def over(self) -> float | None:
        """End the problem and return how many seconds it lasted, or None if nothing was logged."""
        with self._lock:
            if not self._said:
                return None
            self._said.clear()
            return self._clock() - self._since
