"""Keeps events that Redis did not confirm in the outbox, and delivers them to the queue later."""

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
"""Seconds between two attempts to reach Redis."""

_log = logging.getLogger("botlive.events")


class Courier:
    """Delivers the events of one outbox to one queue.

    Two couriers may share a file: an event that is already on the queue is not added again, and an event
    that is already persisted is a duplicate.
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
        """The number of events in the outbox.

        Raises:
            OutboxFailed: the file cannot be read.
        """
        return len(self._outbox)

    def resume(self) -> None:
        """Deliver the events of an earlier process in the background, if there are any."""
        try:
            if self.waiting:
                self._start()
        except PublishError:  # the chat works without the outbox as long as Redis takes the events
            _log.error(
                "the outbox %s cannot be opened: repair it, as it is needed when Redis is unreachable",
                self._outbox.path,
            )

    def keep(self, calls: Sequence[Call]) -> Future[None]:
        """Put the calls into the outbox. The future raises OutboxFull or OutboxFailed if that fails."""
        return self._keeper.submit(calls)

    def drain(self) -> int:
        """Deliver all events in their order, and return how many there were.

        Raises:
            PublishError: Redis or the file failed. The events that are left stay in the outbox.
        """
        delivered = 0
        while not self._stopped and (waiting := self._outbox.oldest(CHUNK)):
            done = self._put(waiting)
            self._outbox.remove(done)
            delivered += len(done)
        return delivered

    def stop(self) -> None:
        """Stop delivering."""
        self._stopped = True
        self._wake.set()
        self._keeper.close()

    def _put(self, waiting: Sequence[tuple[int, Call]]) -> list[int]:
        """Put the events on the queue and return the numbers of those that it took, which is at least one."""
        taken = deliver(self._queue, [call for _, call in waiting])
        return [number for (number, _), is_there in zip(waiting, taken, strict=True) if is_there]

    def _renew(self) -> None:
        self._thread: Thread | None = None
        self._wake = Event()

    def _add(self, groups: Sequence[Group]) -> Sequence[PublishError | None]:
        # Not in the threads of the callers, because they may have stopped waiting.
        answers = self._outbox.add(groups)
        self._start()
        return answers

    def _start(self) -> None:
        self._wake.set()
        if self._thread is None:
            thread = Thread(target=self._run, name="botlive-courier", daemon=True)
            try:
                thread.start()
            except RuntimeError:
                _log.error("events wait in the outbox: the process cannot start another thread")
                return
            self._thread = thread

    def _run(self) -> None:
        while self._wake.wait() and not self._stopped:
            self._wake.clear()
            self._deliver()

    def _deliver(self) -> None:
        notices = Notices()
        while not self._stopped:
            try:
                delivered = self.drain()
            except PublishError as error:
                if notices.is_due(cause := _cause_text(error)):
                    _log.warning("events wait in the outbox: %s", cause)
                time.sleep(PAUSE)
            else:
                if delivered or notices.is_on:  # another process may have delivered them
                    _log.info("delivered %d events from the outbox", delivered)
                return


def _cause_text(error: PublishError) -> str:
    if isinstance(error, OutboxFailed):
        return f"its file cannot be read or written ({type(error.__cause__).__name__})"
    return str(cause_of(error))
