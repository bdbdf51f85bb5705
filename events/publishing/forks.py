"""Helpers for forked processes: a child must not use the threads, connections and locks of its parent."""

import os
from collections.abc import Callable
from threading import Lock
from weakref import WeakMethod

_LONGEST = 0.5  # seconds that a fork waits for each lock


def renew_in_children(renew: Callable[[], None]) -> None:
    """Register a method that is called in every forked child, before any other code there.

    The registration does not keep the object alive.
    """
    method = WeakMethod(renew)

    def renewed() -> None:
        if (alive := method()) is not None:
            alive()

    os.register_at_fork(after_in_child=renewed)


class Undivided:
    """A context manager: a fork in another thread waits until the ``with`` block has ended.

    The wait is limited. A block that lasts longer is interrupted in the child.
    """

    def __init__(self) -> None:
        self._renew()
        os.register_at_fork(before=self._wait, after_in_parent=self._release, after_in_child=self._renew)

    def __enter__(self) -> None:
        with self._turn:
            self._lock.acquire()

    def __exit__(self, *_: object) -> None:
        self._lock.release()

    def _wait(self) -> None:
        self._held = [lock for lock in (self._turn, self._lock) if lock.acquire(timeout=_LONGEST)]

    def _release(self) -> None:
        for lock in self._held:
            lock.release()

    def _renew(self) -> None:
        self._turn = Lock()  # so that a busy thread cannot keep the fork from getting the other lock
        self._lock = Lock()
