"""Remembers the events that Redis confirmed recently, because Redis may lose what it confirmed.

Each publisher has a counter in Redis. Each publication increments it and gets the count. If the counter is
later lower than a confirmed count, Redis has lost its newest writes, and with them the events that were
counted there.
"""

import time
from collections.abc import Callable, Sequence
from operator import attrgetter
from threading import Lock
from uuid import uuid4

from events.publishing.call import Call
from events.publishing.forks import renew_in_children
from events.publishing.keys import COUNTER

YOUNG = 300.0
"""Seconds for which a confirmed event is kept. An append-only file loses a second or two, and a slow replica
more. A busy Redis without such a file saves a snapshot every five minutes by default."""

MOST_BYTES = 32_000_000
"""Maximum memory for the kept events, in bytes, so that they fit into a chat process of 256 MB. This is about
30,000 events of usual size; a publisher at full speed needs more than a second for them."""

_OVERHEAD = 500  # bytes of an event in memory without its data
_DATA = attrgetter("data")

Mark = tuple[str, int]
"""The key of the publisher's counter and its confirmed count, at the time when calls are sent."""

_Put = tuple[Sequence[Call], float]  # the calls that were confirmed with one count, and when


class Memory:
    """The memory of one publisher. Thread-safe. A forked child has its own memory and counter.

    Events are dropped only after Redis has answered, so an outage of any length drops none.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self.mark: Mark
        """Read it just before calls are sent, and pass it to ``keep`` or ``check``."""
        self.on_work: Callable[[], None] = lambda: None
        """Called when there is something to check or to publish again."""
        self._renew()
        renew_in_children(self._renew)

    @property
    def is_empty(self) -> bool:
        """Whether no event is kept or forgotten."""
        return not (self._puts or self._forgotten)

    @property
    def since_check(self) -> float:
        """The seconds since the counter last had the expected count."""
        return self._clock() - self._seen

    def keep(self, mark: Mark, count: int, calls: Sequence[Call]) -> None:
        """Keep calls that were sent at this mark and that Redis confirmed with this count."""
        now = self._clock()
        with self._lock:
            counter, confirmed = self.mark
            is_right = mark[0] == counter and mark[1] < count and count not in self._puts
            is_work = not (is_right and self._puts)
            if is_right:
                self._seen = now
                self._add(count, calls, now)
                if confirmed < count:
                    self.mark = counter, count
            else:
                if mark[0] == counter:
                    self._forget(count)
                self._forgotten += calls  # not counted, or counted by a counter that is no longer read
        if is_work:
            self.on_work()

    def check(self, mark: Mark, count: int) -> None:
        """Compare the mark with the count that was then read from the counter, and find what Redis forgot."""
        with self._lock:
            if mark[0] != self.mark[0]:
                return
            if count < mark[1]:
                self._forget(count)
            else:
                self._seen = self._clock()

    def drop_old(self) -> None:
        """Drop the events that were old when the counter last had the expected count."""
        with self._lock:
            while self._puts and self._oldest()[1] < self._seen - YOUNG:
                self._drop(next(iter(self._puts)))
            if not self._puts:
                self.mark = self.mark[0], 0  # the counter may have expired before the next check

    def forgotten(self, most: int) -> list[Call]:
        """Return the first events that Redis forgot, in the order of their publication."""
        with self._lock:
            return self._forgotten[:most]

    def settle(self, number: int, left: Sequence[Call] = ()) -> None:
        """Remove the first ``number`` forgotten events, which are published, except ``left``."""
        with self._lock:
            self._forgotten[:number] = left

    def clear(self, *, young: bool) -> list[Call]:
        """Remove all events. Return the forgotten ones; with ``young`` also the kept ones, before them."""
        with self._lock:
            found = [call for _, (calls, _) in sorted(self._puts.items()) for call in calls] if young else []
            found += self._forgotten
            self._reset()
            return found

    def _renew(self) -> None:
        self._lock = Lock()
        self._reset()

    def _reset(self) -> None:
        self._puts: dict[int, _Put] = {}
        self._size = 0
        self._forgotten: list[Call] = []
        self.mark = _new_mark()
        self._seen = self._clock()

    def _oldest(self) -> _Put:
        return next(iter(self._puts.values()))

    def _add(self, count: int, calls: Sequence[Call], since: float) -> None:
        self._puts[count] = calls, since
        self._size += _size(calls)
        while self._size > MOST_BYTES:
            self._drop(next(iter(self._puts)))

    def _drop(self, count: int) -> _Put:
        put = self._puts.pop(count)
        self._size -= _size(put[0])
        return put

    def _forget(self, count: int) -> None:
        """Treat the events after this count as forgotten, and begin a new counter."""
        lost = sorted(number for number in self._puts if max(number, 1) > count)
        self._forgotten += [call for number in lost for call in self._drop(number)[0]]
        kept = [self._drop(number) for number in sorted(self._puts)]
        if kept:
            # They come before everything that the new counter counts: they are lost only if all of that is.
            since = max(since for _, since in kept)
            self._add(0, [call for calls, _ in kept for call in calls], since)
        self.mark = _new_mark()


def _new_mark() -> Mark:
    return f"{COUNTER}{uuid4().hex}", 0


def _size(calls: Sequence[Call]) -> int:
    return sum(map(len, map(_DATA, calls))) + _OVERHEAD * len(calls)
