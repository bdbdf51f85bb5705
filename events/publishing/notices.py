"""When to say what goes wrong: at once, then once a minute, and once that it is over."""

import time
from collections.abc import Callable
from threading import Lock

EVERY = 60.0
"""Seconds between two notices of one kind of trouble."""


class Notices:
    """Of one thing that can go wrong in several ways. Safe to share between threads."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = Lock()
        self._said: dict[str, float] = {}
        self._since = 0.0

    @property
    def is_on(self) -> bool:
        """Whether something was said that is not over."""
        return bool(self._said)

    def is_due(self, kind: str) -> bool:
        """Whether to say it now; then it counts as said."""
        with self._lock:
            now = self._clock()
            if not self._said:
                self._since = now
            if now - self._said.get(kind, float("-inf")) < EVERY:
                return False
            self._said[kind] = now
            return True

    def over(self) -> float | None:
        """How many seconds it lasted; None where nothing was said."""
        with self._lock:
            if not self._said:
                return None
            self._said.clear()
            return self._clock() - self._since
