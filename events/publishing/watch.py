"""Detects when Redis has forgotten events that it confirmed, and publishes them again."""

import logging
from threading import Event, Lock, Thread

from events.errors import PublishError
from events.publishing.call import Call
from events.publishing.cause import cause_of
from events.publishing.delivery import CHUNK, deliver
from events.publishing.forks import renew_in_children
from events.publishing.memory import Memory
from events.publishing.notices import Notices
from events.publishing.observer import Reports
from events.publishing.queue import Queue

INTERVAL = 2.0
"""Seconds between two checks of the counter while events are kept."""

_LONGEST = 60.0  # seconds between two checks if Redis forgets repeatedly, such as two servers behind one name

_WAITING = "events that Redis forgot wait to be published again: %s"
_BLIND = "the publisher cannot check whether Redis has forgotten events: %s"

_log = logging.getLogger("botlive.events")


class Watch:
    """Watches one memory in a thread, which sleeps while the memory is empty.

    The counter is read over a connection of ``used``, by default of ``queue``. The checks keep it open, and
    they notice in the background if the network has dropped it.
    """

    def __init__(self, memory: Memory, queue: Queue, used: Queue | None = None) -> None:
        self._memory = memory
        self._queue = queue
        self._used = used or queue
        self.reports = Reports()
        self._stopped = False
        self._renew()
        renew_in_children(self._renew)
        memory.on_work = self._begin

    def check(self) -> bool:
        """Compare the counter with the confirmed count, and publish again what Redis forgot.

        Return whether Redis had forgotten anything.

        Raises:
            PublishError: Redis is unreachable. Forgotten events are published later.
        """
        with self._turn:
            if not self._memory.forgotten(1) and self._memory.since_check >= INTERVAL:
                self._used.check_counter()
            self._memory.drop_old()
            return self._publish_again()

    def stop(self) -> list[Call]:
        """Stop checking. Return the events that Redis forgot, or may have forgotten while unreachable."""
        self._stopped = True
        self._ended.set()
        self._young.set()
        return self._memory.clear(young=self._is_away)

    def _renew(self) -> None:
        self._thread: Thread | None = None
        self._starting = Lock()
        self._turn = Lock()
        self._young = Event()
        self._ended = Event()
        self._notices = Notices()
        self._again = 0
        self._is_away = False

    def _begin(self) -> None:
        if self._stopped or self._young.is_set():
            return
        self._young.set()
        with self._starting:
            if self._thread is None:
                thread = Thread(target=self._run, name="botlive-watch", daemon=True)
                try:
                    thread.start()
                except RuntimeError:  # the process is ending; the next publication checks the counter too
                    return
                self._thread = thread

    def _run(self) -> None:
        pause = INTERVAL
        while self._young.wait() and not self._ended.wait(pause):
            pause = min(2 * pause, _LONGEST) if self._has_missed() else INTERVAL
            self._young.clear()
            if not self._memory.is_empty:
                self._young.set()

    def _has_missed(self) -> bool:
        """Do the same as ``check``, and record whether Redis is unreachable."""
        try:
            missed = self.check()
        except PublishError as error:
            self._is_away = True
            cause = cause_of(error)
            problem = _WAITING if self._memory.forgotten(1) else _BLIND if cause.lasts else None
            if problem and self._notices.is_due(problem % str(cause)):
                _log.warning(problem, str(cause))
            return False
        self._is_away = False
        self._notices.over()
        return missed

    def _publish_again(self) -> bool:
        while calls := self._memory.forgotten(CHUNK):
            taken = deliver(self._queue, calls)
            self._memory.settle(
                len(calls), [call for call, is_taken in zip(calls, taken, strict=True) if not is_taken]
            )
            self._again += sum(taken)
        number, self._again = self._again, 0
        if number:
            _log.warning("Redis forgot %d events that it had confirmed: they were published again", number)
            self.reports.published_again(number)
        return number > 0
