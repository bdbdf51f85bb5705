"""Keeps in the outbox what Redis did not confirm, and brings it to the queue later."""

import logging
import time
from collections.abc import Sequence
from concurrent.futures import Future
from threading import Event, Thread

from events.errors import OutboxFailed, PublishError
from events.publishing.call import Call
from events.publishing.cause import cause_of
from events.publishing.coalescer import Coalescer, Group
from events.publishing.delivery import CHUNK, deliver
from events.publishing.forks import renew_in_children
from events.publishing.notices import Notices
from events.publishing.outbox import Outbox
from events.publishing.queue import Queue

PAUSE = 1.0
"""Seconds between two tries to reach a Redis that is away."""

_log = logging.getLogger("botlive.events")


class Courier:
    """Delivers one outbox to one queue.

    Two couriers with one file do no harm: an event that is on the queue already is not put there again,
    and one that is persisted already is a duplicate.
    """

    def __init__(self, outbox: Outbox, queue: Queue) -> None:
        self._outbox = outbox
        self._queue = queue
        self._keeper = Coalescer("botlive-outbox", self._add)
        self._stopped = False
        self._renew()
        renew_in_children(self._renew)

    @property
    def waiting(self) -> int:
        """How many events wait in the outbox.

        Raises:
            OutboxFailed: its file cannot be read.
        """
        return len(self._outbox)

    def resume(self) -> None:
        """Deliver what waits from before, in the background."""
        try:
            if self.waiting:
                self._set_out()
        except PublishError:  # while Redis takes the events the chat can do without
            _log.error("the outbox %s cannot be opened: mend it before Redis is away", self._outbox.path)

    def keep(self, calls: Sequence[Call]) -> Future[None]:
        """Put them into the outbox, for later; the future raises OutboxFull or OutboxFailed."""
        return self._keeper.submit(calls)

    def drain(self) -> int:
        """Deliver what waits, in its order; how many events that were.

        Raises:
            PublishError: Redis or the outbox's file is away; what is left waits on.
        """
        delivered = 0
        while not self._stopped and (waiting := self._outbox.oldest(CHUNK)):
            done = self._bring(waiting)
            self._outbox.remove(done)
            delivered += len(done)
        return delivered

    def stop(self) -> None:
        """Deliver no more."""
        self._stopped = True
        self._called.set()
        self._keeper.close()

    def _bring(self, waiting: Sequence[tuple[int, Call]]) -> list[int]:
        """The numbers of those that are on the queue now, all or what was possible, but at least one."""
        taken = deliver(self._queue, [call for _, call in waiting])
        return [number for (number, _), is_there in zip(waiting, taken, strict=True) if is_there]

    def _renew(self) -> None:
        self._thread: Thread | None = None
        self._called = Event()

    def _add(self, groups: Sequence[Group]) -> Sequence[PublishError | None]:
        # Here and not where the callers wait: they may have left by now.
        answers = self._outbox.add(groups)
        self._set_out()
        return answers

    def _set_out(self) -> None:
        self._called.set()
        if self._thread is None:
            thread = Thread(target=self._run, name="botlive-courier", daemon=True)
            try:
                thread.start()
            except RuntimeError:
                _log.error("events wait in the outbox: the process can start no more threads")
                return
            self._thread = thread

    def _run(self) -> None:
        while self._called.wait() and not self._stopped:
            self._called.clear()
            self._deliver()

    def _deliver(self) -> None:
        notices = Notices()
        while not self._stopped:
            try:
                delivered = self.drain()
            except PublishError as error:
                if notices.is_due(cause := _words(error)):
                    _log.warning("events wait in the outbox: %s", cause)
                time.sleep(PAUSE)
            else:
                _log.info("delivered %d events from the outbox", delivered)
                return


def _words(error: PublishError) -> str:
    if isinstance(error, OutboxFailed):
        return f"its file cannot be read or written ({type(error.__cause__).__name__})"
    return str(cause_of(error))
