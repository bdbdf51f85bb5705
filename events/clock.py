"""Strictly increasing timestamps and time-ordered event ids."""

import os
import threading
import time
from datetime import UTC, datetime, timedelta
from uuid import UUID

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


class Clock:
    """A wall clock in whole microseconds whose values strictly increase.

    Two toggles of one chat process must not have the same time, because their order would be lost. When
    NTP sets the system clock back, the order must not change either.
    """

    def __init__(self) -> None:
        self._last = 0
        self._lock = threading.Lock()
        # A fork may happen while another thread holds the lock. The child needs an unlocked one.
        os.register_at_fork(after_in_child=self._renew_lock)

    def _renew_lock(self) -> None:
        self._lock = threading.Lock()

    def tick(self) -> int:
        """Return the microseconds since 1970-01-01 UTC, greater than in every earlier call."""
        with self._lock:
            self._last = max(time.time_ns() // 1000, self._last + 1)
            return self._last


_clock = Clock()


def now() -> datetime:
    """Return the current time in UTC, later than every time that this process got before."""
    return _EPOCH + _clock.tick() * _MICROSECOND


def new_id() -> UUID:
    """Return a UUID of version 7 that sorts after every UUID that this process made before.

    The twelve bits after the version hold the fraction of the millisecond (RFC 9562, section
    6.2, method 3). So the ids of one process are in order even within a millisecond.
    """
    milliseconds, microseconds = divmod(_clock.tick(), 1000)
    fraction = microseconds * 4096 // 1000
    random = int.from_bytes(os.urandom(8), "big") >> 2
    return UUID(int=milliseconds << 80 | 0x7 << 76 | fraction << 64 | 0b10 << 62 | random)
