"""Reports that a worker holds all events, and that it goes on."""

import structlog
from rq.worker import WorkerStatus

from worker import incidents
from worker.breaker import Breaker
from worker.guard import GuardedWorker, best_effort
from worker.incidents import Incident


class Held:
    """The log lines, the state and the field ``held`` in the hash of one worker."""

    def __init__(self, worker: GuardedWorker) -> None:
        self._worker = worker
        self._is_reported = False
        self._log = structlog.stdlib.get_logger("botlive")

    def report(self, breaker: Breaker) -> None:
        """Log once when events are held and once when they flow again; keep the worker's state up to date."""
        if breaker.fault and not self._is_reported:
            self._is_reported = True
            reason = str(breaker.fault)
            self._log.error("held", reason=reason)
            incidents.report(Incident("worker held", breaker.fault))
            with best_effort():
                self._worker.connection.hset(self._worker.key, "held", reason)
        elif not breaker.is_open and not breaker.is_careful:
            self.clear()
        if breaker.is_open and self._worker.get_state() != WorkerStatus.SUSPENDED:
            self._worker.set_state(WorkerStatus.SUSPENDED)

    def clear(self) -> None:
        """Log that the worker goes on, if it was held."""
        if self._is_reported:
            self._is_reported = False
            self._log.info("resumed")
            with best_effort():
                self._worker.connection.hdel(self._worker.key, "held")
