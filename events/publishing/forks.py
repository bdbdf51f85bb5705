"""A forked child has neither its parent's threads nor a right to its connections and locks."""

import os
from collections.abc import Callable
from threading import Lock
from weakref import WeakMethod

_LONGEST = 0.5  # seconds that a fork waits for each of the locks


def renew_in_children(renew: Callable[[], None]) -> None:
    """Call this method of an object in every forked child, before anything else runs there."""
    method = WeakMethod(renew)

    def renewed() -> None:
        if (alive := method()) is not None:
            alive()

    os.register_at_fork(after_in_child=renewed)


class Undivided:
    """What is done in a ``with`` of it by one thread is not cut in two by a fork in another."""

    def __init__(self) -> None:
        self._renew()
        os.register_at_fork(before=self._wait, after_in_parent=self._go_on, after_in_child=self._renew)

    def __enter__(self) -> None:
        with self._turn:
            self._lock.acquire()

    def __exit__(self, *_: object) -> None:
        self._lock.release()

    def _wait(self) -> None:
        self._held = [lock for lock in (self._turn, self._lock) if lock.acquire(timeout=_LONGEST)]

    def _go_on(self) -> None:
        for lock in self._held:
            lock.release()

    def _renew(self) -> None:
        self._turn = Lock()  # so that a busy thread does not take the other again and again
        self._lock = Lock()
