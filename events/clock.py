"""Time-ordered identities: when an event occurred, and which event it is."""

import os
import threading
import time
from datetime import UTC, datetime, timedelta
from uuid import UUID

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


class Clock:
    """A wall clock in whole microseconds that never stands still and never steps back.

    Two toggles of one chat process must not share an instant, or their order would be lost; a
    clock set back by NTP must not turn it round either.
    """

    def __init__(self) -> None:
        self._last = 0
        self._lock = threading.Lock()
        # A fork may happen while another thread holds the lock; the child needs a free one.
        os.register_at_fork(after_in_child=self._renew_lock)

    def _renew_lock(self) -> None:
        self._lock = threading.Lock()

    def tick(self) -> int:
        """The microseconds since 1970-01-01 UTC, greater than at any call before."""
        with self._lock:
            self._last = max(time.time_ns() // 1000, self._last + 1)
            return self._last


_clock = Clock()


def now() -> datetime:
    """The present instant in UTC, later than every instant this process was given before."""
    return _EPOCH + _clock.tick() * _MICROSECOND


def new_id() -> UUID:
    """A UUID of version 7 that sorts after every one this process made before.

    The twelve bits after the version hold the fraction of the millisecond (RFC 9562, section
    6.2, method 3), so that the ids of one process keep its order within a millisecond too.
    """
    milliseconds, microseconds = divmod(_clock.tick(), 1000)
    fraction = microseconds * 4096 // 1000
    random = int.from_bytes(os.urandom(8), "big") >> 2
    return UUID(int=milliseconds << 80 | 0x7 << 76 | fraction << 64 | 0b10 << 62 | random)
