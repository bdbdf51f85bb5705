"""What Redis confirmed lately. It is kept until it is old, because Redis may forget what it confirmed.

Each publisher has a counter in Redis. Every publication counts there, and its answer brings the count. A
counter that is behind the confirmed count has lost its end, and the events of that end are lost with it.
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
"""Seconds that a confirmed event is kept. An append-only file loses a second or two, a replica that lags
more; a busy Redis without such a file saves a snapshot every five minutes by default."""

HEAVIEST = 32_000_000
"""Bytes that they may take: a chat process of 256 MB has room for them. They are some 30,000 plain events,
which a publisher at full speed needs more than a second for."""

_OVERHEAD = 500  # bytes of an event in memory besides its data
_DATA = attrgetter("data")

Mark = tuple[str, int]
"""The publisher's counter and its confirmed count, at the moment when something is sent."""

_Put = tuple[Sequence[Call], float]  # what was confirmed with one count, and when


class Memory:
    """Of one publisher. Safe to share between threads; a forked child has its own, with its own counter.

    Something becomes old only when Redis has answered: an outage, however long, takes nothing away.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self.mark: Mark
        """What has to be taken just before something is sent."""
        self.on_work: Callable[[], None] = lambda: None
        """Called when something is there to be looked after."""
        self._renew()
        renew_in_children(self._renew)

    @property
    def is_empty(self) -> bool:
        """Whether nothing is young, and nothing forgotten."""
        return not (self._puts or self._forgotten)

    @property
    def silence(self) -> float:
        """Seconds since the counter was last seen to be right."""
        return self._clock() - self._seen

    def keep(self, mark: Mark, count: int, calls: Sequence[Call]) -> None:
        """Redis has confirmed these, sent at that mark, with that count."""
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
                self._forgotten += calls  # they were not counted, or by a counter that is no longer read
        if is_work:
            self.on_work()

    def check(self, mark: Mark, count: int) -> None:
        """The counter was read, at that mark, and stands at that count."""
        with self._lock:
            if mark[0] != self.mark[0]:
                return
            if count < mark[1]:
                self._forget(count)
            else:
                self._seen = self._clock()

    def let_go(self) -> None:
        """Of what was old already when the counter was last seen to be right."""
        with self._lock:
            while self._puts and self._oldest()[1] < self._seen - YOUNG:
                self._drop(next(iter(self._puts)))
            if not self._puts:
                self.mark = self.mark[0], 0  # the counter itself may be gone the next time

    def forgotten(self, most: int) -> list[Call]:
        """The first of those that Redis forgot, in the order of their publication."""
        with self._lock:
            return self._forgotten[:most]

    def settle(self, number: int, left: Sequence[Call] = ()) -> None:
        """The first so many of the forgotten are published again, except those that are left."""
        with self._lock:
            self._forgotten[:number] = left

    def clear(self, *, young: bool) -> list[Call]:
        """Keep nothing any more; the forgotten, and with ``young`` the others too, in their order."""
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
        self._weight = 0
        self._forgotten: list[Call] = []
        self.mark = _new_mark()
        self._seen = self._clock()

    def _oldest(self) -> _Put:
        return next(iter(self._puts.values()))

    def _add(self, count: int, calls: Sequence[Call], since: float) -> None:
        self._puts[count] = calls, since
        self._weight += _weight(calls)
        while self._weight > HEAVIEST:
            self._drop(next(iter(self._puts)))

    def _drop(self, count: int) -> _Put:
        put = self._puts.pop(count)
        self._weight -= _weight(put[0])
        return put

    def _forget(self, count: int) -> None:
        """Redis knows of nothing behind that count."""
        lost = sorted(number for number in self._puts if max(number, 1) > count)
        self._forgotten += [call for number in lost for call in self._drop(number)[0]]
        kept = [self._drop(number) for number in sorted(self._puts)]
        if kept:
            # It stands before all that the new counter will count: it is lost only where all of that is.
            since = max(since for _, since in kept)
            self._add(0, [call for calls, _ in kept for call in calls], since)
        self.mark = _new_mark()


def _new_mark() -> Mark:
    return f"{COUNTER}{uuid4().hex}", 0


def _weight(calls: Sequence[Call]) -> int:
    return sum(map(len, map(_DATA, calls))) + _OVERHEAD * len(calls)
