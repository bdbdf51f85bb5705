"""Finds out, by calls that carry no event, whether events would go through."""

import time
from concurrent.futures import Future

from gateway.client import Gateway
from gateway.errors import TransientFault, WorkerError
from worker.background import in_thread
from worker.batches import own_fault
from worker.breaker import Breaker

_LATE = "Supabase does not answer in time: the events wait"


class Probe:
    """Asks at the start, beside the work, and while the breaker is open, whenever it is due."""

    def __init__(self, gateway: Gateway, breaker: Breaker, *, patience: float) -> None:
        self._gateway = gateway
        self._breaker = breaker
        self._patience = patience
        self._first: Future[None] | None = None
        self._first_by = 0.0

    @property
    def is_pending(self) -> bool:
        """Whether the answer to the first one is still to come."""
        return self._first is not None

    def begin(self) -> None:
        """Ask once, without waiting: else a wrong key would be told at the first event only."""
        self._first, self._first_by = in_thread(self._gateway.probe), time.monotonic() + self._patience

    def hear(self, seconds: float = 0) -> None:
        """Open the breaker where the first answer is bad; wait for it at most so long."""
        if self._first is None:
            return
        try:
            fault = _fault(self._first, seconds)
        except TimeoutError:
            if time.monotonic() < self._first_by:
                return
            fault = TransientFault(_LATE)
        self._first = None
        if fault and not self._breaker.is_open and not self._breaker.is_careful:
            self._breaker.probe_failed(fault)

    def try_way(self) -> bool:
        """Send a probe if one is due. Answers whether events may be sent."""
        if not self._breaker.is_open:
            return True
        if self._breaker.wait > 0:
            self._breaker.doze()
            return False
        try:
            fault = _fault(in_thread(self._gateway.probe), self._patience)
        except TimeoutError:
            fault = TransientFault(_LATE)
        if fault:
            self._breaker.probe_failed(fault)
        else:
            self._breaker.probe_passed()
        return fault is None


def _fault(probe: Future[None], seconds: float) -> WorkerError | None:
    """What stands in the way to Supabase.

    Raises:
        TimeoutError: that is not known within ``seconds``.
    """
    error = probe.exception(seconds)
    return error if error is None or isinstance(error, WorkerError) else own_fault(error)
