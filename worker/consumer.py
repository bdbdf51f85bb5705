"""The worker: RQ's, but for how it takes jobs, runs them and stops.

Of RQ's private names it relies on ``BaseWorker._stop_requested``, and ``worker.event_job`` on three of
``Job``'s. It overrides ``dequeue_job_and_maintain_ttl``, ``execute_job``, ``heartbeat`` and
``request_stop`` of ``rq.worker.BaseWorker`` (RQ 3.0), ``worker.guard`` guards others, and
``worker.ledger`` calls ``handle_job_failure``. ``tests/integration/test_worker.py`` fails when a release
moves one of them.
"""

import math
import os
import signal
import threading
import time
from contextlib import suppress
from types import FrameType
from typing import Any
from uuid import uuid4

import redis
from rq import Queue
from rq.exceptions import NoSuchJobError
from rq.job import Job
from rq.serializers import JSONSerializer
from rq.suspension import is_suspended
from rq.worker import WorkerStatus

from gateway.client import Gateway
from gateway.errors import WorkerEnded, WorkerError
from worker.apart import Apart, Store
from worker.batches import Batches
from worker.breaker import Breaker
from worker.claims import PREFIX, Batch, Claims
from worker.control import Control
from worker.event_job import EventJob
from worker.guard import GuardedWorker, unbooked
from worker.ledger import Ledger
from worker.persister import Persister
from worker.probe import Probe
from worker.way import entering

_IDLE = 2.0  # seconds that one wait for a job may last
PAUSE = 1.0
"""Seconds until it is tried again, where a key holds something else than it should."""
_SLICE = 0.25  # seconds of one wait for an answer
_UPKEEP = 2.0  # seconds between two looks at what RQ asks of its workers
_HEARTBEAT = 10.0  # seconds between two heartbeats
_GRACE = 6.0  # seconds that a stop waits for the answers of what is under way
_PATIENCE = 9.0  # seconds after which a stop is no longer graceful; what is in hand is recovered


class Consumer(GuardedWorker):
    """An RQ worker on one queue that takes many jobs at once."""

    job_class = EventJob

    def __init__(
        self, queue: str, connection: redis.Redis, gateway: Gateway, breaker: Breaker, *, patience: float = 30
    ) -> None:
        super().__init__(
            [queue],
            name=f"{PREFIX}{uuid4().hex}",
            connection=connection,
            serializer=JSONSerializer,
            log_job_description=False,
            worker_ttl=30,
        )
        self._claims = Claims(connection, queue, self.name)
        self._breaker = breaker
        self._ledger = Ledger(self, self._claims)
        self._apart = Apart(Store(connection, queue), gateway, self.name)
        self._batches = Batches(
            Persister(gateway, apart=True), self._ledger, self._apart, self._breaker, patience=patience
        )
        self._probe = Probe(gateway, breaker, patience=patience)
        self._control = Control(connection, queue, self.key)
        self._stopping = False
        self._told: WorkerError | None = None
        self._last_heartbeat = self._last_upkeep = float("-inf")

    def run(self, *, burst: bool) -> None:
        """Work until told to stop; with ``burst``, until the queue is empty.

        Raises:
            RedisUnusable: Redis does not let it in, or is none that it can use.
            WorkerEnded: it ended by an exception, which the log tells.
        """
        with entering(self.connection):
            self._claims.live(lambda jobs: self._log.warning("recovered", jobs=jobs))
        self._probe.begin()
        if burst:
            with self._control.holding(lambda: None):
                self._apart.tend()  # what is taken again must be on the queue before this looks empty
        self._apart.start()  # from here on another thread tends, and only that
        try:
            self.work(burst=burst, logging_level=None)
        finally:
            self._leave()
        if not (self._stopping or self._is_done):  # RQ logs an exception and returns as if all were well
            raise WorkerEnded

    # What RQ calls.

    def dequeue_job_and_maintain_ttl(
        self, timeout: int | None, max_idle_time: int | None = None
    ) -> tuple[Job, Queue] | None:
        """Send batches until one job must go RQ's own way; None at a stop, or in a burst when all is done."""
        idle_until = math.inf if max_idle_time is None else time.monotonic() + max_idle_time
        while not self._stopping:
            with self._control.holding(self._hold_on):
                self._keep_house(burst=timeout is None)
                if self._batches.is_full:
                    self._conclude()
                    continue
                batch = self._claims.claim(self._breaker.limit) if self._probe.try_way() else Batch()
                if batch.kind == "stock":
                    if job := self._stock(batch.claims[0].job_id):
                        return job
                elif batch.claims:
                    self._send(batch)
                elif self._batches:
                    self._conclude()
                elif self._is_over(idle_until, burst=timeout is None):
                    break
        return None

    def execute_job(self, job: Job, queue: Queue) -> None:
        """RQ's; a Redis key of the wrong type does not end the worker."""
        with self._control.holding(self._hold_on):
            super().execute_job(job, queue)

    def heartbeat(self, timeout: int | None = None, pipeline: Any = None) -> None:
        """RQ's, but not for every batch, and in no transaction of which it could be the end."""
        if timeout is not None or time.monotonic() - self._last_heartbeat > _HEARTBEAT:
            with unbooked():
                super().heartbeat(timeout)
            self._last_heartbeat = time.monotonic()

    def request_stop(self, signum: int, frame: FrameType | None) -> None:
        """Stop when what is in hand is done or given back, and in any case soon."""
        if not self._stopping:
            self._stopping = self._stop_requested = True
            giving_up = threading.Timer(_PATIENCE, os._exit, [128 + signum])
            giving_up.daemon = True
            giving_up.start()
            signal.signal(signum, self.request_force_stop)

    # Housekeeping.

    def _send(self, batch: Batch) -> None:
        if self.get_state() != WorkerStatus.BUSY:
            self.set_state(WorkerStatus.BUSY)
        self._batches.send(batch)

    def _stock(self, job_id: str) -> tuple[Job, Queue] | None:
        """The job at the queue's head, RQ's way; None where there is none that RQ could read."""
        try:
            self._ledger.job(job_id)
        except NoSuchJobError:
            return None
        except ValueError:  # an id that RQ does not admit: as a plain job it is set aside
            self._claims.repair(job_id)
            return None
        return super().dequeue_job_and_maintain_ttl(None)

    def _keep_house(self, *, burst: bool) -> None:
        self.heartbeat()
        self._probe.hear()
        self._tell()
        if time.monotonic() - self._last_upkeep > _UPKEEP:
            self._last_upkeep = time.monotonic()
            self._control.tell()
            if is_suspended(self.connection):
                self._conclude_all()  # RQ's promise: what is in hand is completed first
                self.check_for_suspension(burst)
            if self.should_run_maintenance_tasks:
                self.run_maintenance_tasks()
            if strays := self._claims.give_back_strays(self._batches.job_ids):
                self._log.warning("given back", jobs=strays, reason="the answer to their claim was lost")

    def _hold_on(self) -> None:
        """Wait a little; what is in hand is written down again, wherever its books have gone."""
        time.sleep(PAUSE)
        with suppress(redis.ResponseError):
            self._claims.hold_on(self._batches.job_ids | self._batches.stranded)
            self._batches.stranded.clear()

    def _is_over(self, idle_until: float, *, burst: bool) -> bool:
        """Whether there is nothing more to do; else some of the wait for it is over."""
        if self._probe.is_pending:
            self._probe.hear(_SLICE)
        elif not self._claims.has_more():
            self._is_done = burst or time.monotonic() > idle_until
            if not self._is_done and not self._breaker.is_open:
                self._rest()
        return self._is_done

    def _rest(self) -> None:
        """Wait for something to do; nothing is held then."""
        self._resume()
        self.set_state(WorkerStatus.IDLE)
        self._claims.wait(_IDLE)

    def _tell(self) -> None:
        """Shout once that events are held, and say when they are no more; keep it said while it is so."""
        if self._breaker.is_open and not self._told:
            self._told = self._breaker.fault
            self._log.error("held", reason=str(self._told))
            with unbooked():
                self.connection.hset(self.key, "held", str(self._told))
        elif not self._breaker.is_open and not self._breaker.is_careful:
            self._resume()
        if self._breaker.is_open and self.get_state() != WorkerStatus.SUSPENDED:
            self.set_state(WorkerStatus.SUSPENDED)

    def _resume(self) -> None:
        if self._told:
            self._told = None
            self._log.info("resumed")
            with unbooked():
                self.connection.hdel(self.key, "held")

    def _conclude(self) -> None:
        # Not for as long as a call may hang: a stop, a heartbeat and dead workers must not wait for it.
        with suppress(TimeoutError):
            self._batches.conclude(_SLICE)

    def _conclude_all(self) -> None:
        while self._batches and not self._stopping:
            self._conclude()

    def _leave(self) -> None:
        """Conclude what is under way, give back what is not known to be done, and let the lease go."""
        deadline = time.monotonic() + _GRACE
        with self._control.holding(lambda: None):
            try:
                while self._batches:
                    self._batches.conclude(max(0.0, deadline - time.monotonic()))
            except TimeoutError:
                self._log.warning("given back", reason="no answer in time for the stop")
        self._apart.stop()
        with self._control.holding(lambda: None):
            self._claims.give_back()
        self._claims.die()
