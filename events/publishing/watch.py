"""Sees when Redis has forgotten what it confirmed, and publishes that again."""

import logging
from threading import Event, Lock, Thread

from events.errors import PublishError
from events.publishing.call import Call
from events.publishing.cause import cause_of
from events.publishing.delivery import CHUNK, deliver
from events.publishing.forks import renew_in_children
from events.publishing.memory import Memory
from events.publishing.notices import Notices
from events.publishing.queue import Queue

LOOK = 2.0
"""Seconds between two looks at the counter while something is young."""

_LONGEST = 60.0  # seconds between two looks where Redis forgets again and again, as two servers in turn do

_log = logging.getLogger("botlive.events")


class Watch:
    """Over one memory. It has a thread of its own, which sleeps while nothing is young."""

    def __init__(self, memory: Memory, queue: Queue) -> None:
        self._memory = memory
        self._queue = queue
        self._stopped = False
        self._renew()
        renew_in_children(self._renew)
        memory.on_work = self._begin

    def look(self) -> bool:
        """Compare the counter with what was confirmed, publish again what is missing; True if anything was.

        Raises:
            PublishError: Redis is away; what is forgotten is published later.
        """
        with self._turn:
            if not self._memory.forgotten(1) and self._memory.silence >= LOOK:
                self._queue.look()
            self._memory.let_go()
            return self._publish_again()

    def stop(self) -> list[Call]:
        """Look no more; what Redis has forgotten, or may have forgotten because it is away."""
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
                except RuntimeError:  # the process ends: whatever is published next looks at the counter too
                    return
                self._thread = thread

    def _run(self) -> None:
        pause = LOOK
        while self._young.wait() and not self._ended.wait(pause):
            pause = min(2 * pause, _LONGEST) if self._has_missed() else LOOK
            self._young.clear()
            if not self._memory.is_empty:
                self._young.set()

    def _has_missed(self) -> bool:
        """As ``look``; where Redis is away, that is noted."""
        try:
            missed = self.look()
        except PublishError as error:
            self._is_away = True
            if self._memory.forgotten(1) and self._notices.is_due(cause := str(cause_of(error))):
                _log.warning("events that Redis forgot wait to be published again: %s", cause)
            return False
        self._is_away = False
        self._notices.over()
        return missed

    def _publish_again(self) -> bool:
        while calls := self._memory.forgotten(CHUNK):
            taken = deliver(self._queue, calls)
            self._memory.settle(
                len(calls), [call for call, is_there in zip(calls, taken, strict=True) if not is_there]
            )
            self._again += sum(taken)
        number, self._again = self._again, 0
        if number:
            _log.warning("Redis forgot %d events that it had confirmed: they are published again", number)
        return number > 0
