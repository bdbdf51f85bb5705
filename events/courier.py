"""Keeps in the outbox what Redis did not confirm, and brings it to the queue later."""

import logging
import time
from collections.abc import Sequence
from concurrent.futures import Future
from threading import Thread

from events.coalescer import Coalescer
from events.errors import OutboxFailed, PublishError
from events.job import Call
from events.outbox import Outbox
from events.queue import CHUNK, Queue

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
        self._keeper = Coalescer("botlive-outbox", outbox.add)
        self._thread: Thread | None = None
        self._stopped = False

    @property
    def waiting(self) -> int:
        """How many events wait in the outbox."""
        try:
            return len(self._outbox)
        except OutboxFailed:  # while Redis takes the events the chat can do without
            _log.error("the outbox %s cannot be opened: mend it before Redis is away", self._outbox.path)
            return 0

    def keep(self, calls: Sequence[Call]) -> Future[None]:
        """Put them into the outbox; the future raises OutboxFull or OutboxFailed."""
        return self._keeper.submit(calls)

    def drain(self) -> int:
        """Deliver what waits, in its order; how many events that were.

        Raises:
            PublishError: Redis or the outbox's file is away; what is left waits on.
        """
        delivered = 0
        while not self._stopped and (waiting := self._outbox.oldest(CHUNK)):
            self._queue.put([call for _, call in waiting])
            self._outbox.remove([number for number, _ in waiting])
            delivered += len(waiting)
        return delivered

    def set_out(self) -> None:
        """Deliver in the background, as soon as Redis is back."""
        if self._thread is None or not self._thread.is_alive():  # nor is it in a forked child
            self._thread = Thread(target=self._deliver, name="botlive-courier", daemon=True)
            self._thread.start()

    def stop(self) -> None:
        """Deliver no more."""
        self._stopped = True
        self._keeper.close()

    def _deliver(self) -> None:
        while not self._stopped:
            try:
                delivered = self.drain()
            except PublishError:
                time.sleep(PAUSE)
            else:
                _log.info("delivered %d events from the outbox", delivered)
                return
