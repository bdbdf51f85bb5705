"""Checks, with calls that carry no event, whether Supabase accepts events."""

import time
from concurrent.futures import Future

from gateway.client import Gateway
from gateway.errors import TransientFault, WorkerError
from worker.background import in_thread
from worker.breaker import Breaker
from worker.own_faults import OwnFaults

_LATE = "Supabase does not answer in time: the events wait until it does"


class Probe:
    """Sends a first probe at the start, in parallel with the work, and others while the breaker is open."""

    def __init__(self, gateway: Gateway, breaker: Breaker, *, patience: float) -> None:
        self._gateway = gateway
        self._breaker = breaker
        self._patience = patience
        self._own_faults = OwnFaults()
        self._first: Future[None] | None = None
        self._first_by = 0.0

    @property
    def is_pending(self) -> bool:
        """Whether the first probe has no answer yet."""
        return self._first is not None

    def start(self) -> None:
        """Send the first probe without waiting, so that a wrong key is reported before an event comes."""
        self._first, self._first_by = in_thread(self._gateway.probe), time.monotonic() + self._patience

    def check_first(self, seconds: float = 0) -> None:
        """Wait up to ``seconds`` for the first probe, and open the breaker if it failed."""
        if self._first is None:
            return
        try:
            fault = self._fault(self._first, seconds)
        except TimeoutError:
            if time.monotonic() < self._first_by:
                return
            fault = TransientFault(_LATE)
        self._first = None
        if fault and not self._breaker.is_open and not self._breaker.is_careful:
            self._breaker.probe_failed(fault)

    def probe_if_due(self) -> bool:
        """Send a probe if one is due. Return whether events may be sent."""
        if not self._breaker.is_open:
            return True
        if self._breaker.wait > 0:
            self._breaker.sleep_briefly()
            return False
        try:
            fault = self._fault(in_thread(self._gateway.probe), self._patience)
        except TimeoutError:
            fault = TransientFault(_LATE)
        if fault:
            self._breaker.probe_failed(fault)
        else:
            self._breaker.probe_passed()
        return fault is None

    def _fault(self, probe: Future[None], seconds: float) -> WorkerError | None:
        """Wait for a probe and return its fault, or None.

        Raises:
            TimeoutError: there was no answer within ``seconds``.
        """
        error = probe.exception(seconds)
        return error if error is None or isinstance(error, WorkerError) else self._own_faults.fault(error)
