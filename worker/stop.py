"""A request to stop, which a signal handler may make."""

import os
import threading
import time
from queue import Empty, SimpleQueue


class Stop:
    """Waits for a signal.

    ``threading.Event`` cannot do this: if the signal arrives while the thread holds the event's lock,
    ``set`` waits for that lock for ever. ``SimpleQueue.put`` may interrupt any code
    (https://docs.python.org/3/library/queue.html#queue.SimpleQueue.put).
    """

    def __init__(self) -> None:
        self._signals: SimpleQueue[int] = SimpleQueue()

    def request(self, signum: int) -> None:
        """Request the stop. Call it from a signal handler."""
        self._signals.put(signum)

    def wait(self, timeout: float | None = None) -> int | None:
        """Wait for a request, at most ``timeout`` seconds. Returns the signal's number, or None."""
        try:
            return self._signals.get(timeout=timeout)
        except Empty:
            return None

    def limit(self, seconds: float) -> None:
        """Kill this process if it still runs so long after a request. The exit code is 128 + the signal.

        Call it before the request: starting a thread takes a lock that the interrupted code may hold.
        """
        threading.Thread(target=self._kill_late, args=[seconds], name="late stop", daemon=True).start()

    def _kill_late(self, seconds: float) -> None:
        signum = self._signals.get()
        time.sleep(seconds)
        os._exit(128 + signum)
