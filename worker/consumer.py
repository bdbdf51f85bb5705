"""The worker: an RQ worker that claims, runs and stops in its own way.

It overrides ``dequeue_job_and_maintain_ttl``, ``execute_job``, ``heartbeat`` and ``request_stop`` of
``rq.worker.BaseWorker`` (RQ 3.0), and uses its private attributes ``_stop_requested`` and
``_shutdown_requested_date``. ``worker.guard`` overrides other methods, and ``worker.event_job`` names the
private attributes of ``Job`` that it uses. ``tests/integration/test_worker.py`` fails if a new release of RQ
changes one of these names.
"""

import math
import signal
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
from rq.utils import now
from rq.worker import WorkerStatus

from gateway.client import Gateway
from gateway.errors import WorkerEnded
from gateway.release import release
from worker.apart import Apart, Store
from worker.batches import Batches
from worker.breaker import Breaker
from worker.claims import PREFIX, Batch, Claims
from worker.control import Control
from worker.event_job import EventJob
from worker.event_queue import EventQueue
from worker.guard import GuardedWorker, best_effort
from worker.held import Held
from worker.ledger import Ledger
from worker.persister import Persister
from worker.probe import Probe
from worker.redis_retry import starting
from worker.standing import Standing
from worker.stop import Stop

_IDLE = 2.0  # seconds of one wait for a job, at most
PAUSE = 1.0
"""Seconds until the next try after a Redis key had the wrong type."""
_SLICE = 0.25  # seconds of one wait for an answer
_UPKEEP = 2.0  # seconds between two housekeeping rounds: suspension, maintenance, wrong keys, lost claims
_HEARTBEAT = 10.0  # seconds between two heartbeats
_GRACE = 6.0  # seconds that a stop waits for the answers to the batches in flight
_PATIENCE = 9.0  # seconds after which a stop kills the process; other workers recover its claims


class Consumer(GuardedWorker):
    """An RQ worker on one queue that claims many jobs at once."""

    job_class = EventJob
    queue_class = EventQueue  # type: ignore[assignment] # RQ annotates it with Queue itself

    def __init__(  # noqa: PLR0913 # its parts
        self,
        queue: str,
        connection: redis.Redis,
        gateway: Gateway,
        breaker: Breaker,
        *,
        patience: float = 30,
        persister: Persister | None = None,
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
        persister = persister or Persister(gateway, apart=True)
        self._batches = Batches(persister, self._ledger, self._apart, self._breaker, patience=patience)
        self._probe = Probe(gateway, breaker, patience=patience)
        self._control = Control(connection, queue, self.key)
        self._standing = Standing(self, self._ledger)
        self._stopping = False
        self._stop = Stop()
        self._held = Held(self)
        self._last_heartbeat = self._last_upkeep = float("-inf")
        self.last_turn = time.monotonic()
        """When the loop turned last, by the monotonic clock."""

    @property
    def held_because(self) -> str | None:
        """Why the worker holds all events, or None."""
        return str(self._breaker.fault) if self._breaker.is_open else None

    def run(self, *, burst: bool) -> None:
        """Work until a stop is requested; with ``burst``, until the queue is empty.

        Raises:
            RedisUnusable: Redis denies access, or the worker cannot use this server.
            WorkerEnded: an exception ended the worker; RQ has logged it.
        """
        with starting(self.connection):
            self._claims.hold_lease(lambda jobs: self._log.warning("recovered", jobs=jobs))
        self._stop.limit(_PATIENCE)
        self._log.info("started", worker=self.name, queue=self.queues[0].name, release=release())
        self._probe.start()
        if burst:
            with self._control.tolerating(lambda: None):
                self._apart.check()  # released events must be on the queue before the burst ends
        self._apart.start()  # from here on only its thread calls ``check``
        try:
            self.work(burst=burst, logging_level=None)
        finally:
            self._shut_down()
        if not (self._stopping or self._is_done):  # RQ only logs an exception and returns as usual
            raise WorkerEnded
        self._log.info("stopped", worker=self.name)

    # Methods that RQ calls.

    def dequeue_job_and_maintain_ttl(
        self, timeout: int | None, max_idle_time: int | None = None
    ) -> tuple[Job, Queue] | None:
        """Send batches until RQ itself must run a job. Return None at a stop and at the end of a burst."""
        idle_until = math.inf if max_idle_time is None else time.monotonic() + max_idle_time
        while not self._stopping:
            with self._control.tolerating(self._pause):
                self._housekeep(burst=timeout is None)
                if self._batches.is_full:
                    self._conclude()
                    continue
                batch = self._claims.claim(self._breaker.limit) if self._probe.probe_if_due() else Batch()
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
        """Execute a job as RQ does; a full Redis or a key of the wrong type does not end the worker."""
        with self._control.tolerating(self._pause):
            super().execute_job(job, queue)

    def heartbeat(self, timeout: int | None = None, pipeline: Any = None) -> None:
        """Send RQ's heartbeat, but not at every batch, and not in RQ's transaction, which it could break."""
        if timeout is not None or time.monotonic() - self._last_heartbeat > _HEARTBEAT:
            with best_effort():
                super().heartbeat(timeout)
            self._last_heartbeat = time.monotonic()

    def request_stop(self, signum: int, frame: FrameType | None) -> None:
        """Stop after the claimed jobs are done or given back, and after ``_PATIENCE`` seconds in any case."""
        if not self._stopping:
            self._stopping = self._stop_requested = True
            self._shutdown_requested_date = now()  # RQ ignores a second signal within a second of it
            self._stop.request(signum)
            signal.signal(signum, self.request_force_stop)

    # Housekeeping.

    def _send(self, batch: Batch) -> None:
        if self.get_state() != WorkerStatus.BUSY:
            self.set_state(WorkerStatus.BUSY)
        self._batches.send(batch)

    def _stock(self, job_id: str) -> tuple[Job, Queue] | None:
        """Let RQ dequeue the job at the queue's head. Return None if RQ could not read it."""
        try:
            self._ledger.job(job_id)
        except NoSuchJobError:
            return None
        except ValueError:  # RQ does not allow this id: the next claim sets the rebuilt job aside
            self._claims.repair(job_id)
            return None
        return super().dequeue_job_and_maintain_ttl(None)

    def _housekeep(self, *, burst: bool) -> None:
        self.last_turn = time.monotonic()
        self.heartbeat()
        self._probe.check_first()
        self._held.report(self._breaker)
        if time.monotonic() - self._last_upkeep > _UPKEEP:
            self._last_upkeep = time.monotonic()
            self._control.report()
            self._standing.check()
            if self.is_suspended:
                while self._batches and not self._stopping:
                    self._conclude()  # RQ promises that a suspended worker first completes its jobs
                self.last_turn = math.inf  # it stands still, and that is in order
                self._log.warning("suspended", reason="somebody ran `rq suspend`: run `rq resume`")
                self.check_for_suspension(burst)
                self._log.info("resumed")
            if self.should_run_maintenance_tasks:
                self.run_maintenance_tasks()
            self._ledger.give_back_strays(self._batches.job_ids)

    def _pause(self) -> None:
        """Wait, then record the claims of all held jobs again, in case the registry was deleted."""
        time.sleep(PAUSE)
        with suppress(redis.ResponseError):
            self._claims.restore(self._batches.job_ids | self._batches.unrecorded)
            self._batches.unrecorded.clear()

    def _is_over(self, idle_until: float, *, burst: bool) -> bool:
        """Return whether there is nothing more to do; otherwise wait a while for work."""
        if self._probe.is_pending:
            self._probe.check_first(_SLICE)
        elif not self._claims.has_more():
            is_due = burst or time.monotonic() > idle_until
            self._is_done = is_due and not self._ledger.give_back_strays(self._batches.job_ids)
            if not self._is_done and not self._breaker.is_open:
                self._rest()
        return self._is_done

    def _rest(self) -> None:
        """Wait for a job. Nothing is held at this point, so ``held`` is cleared."""
        self._held.clear()
        self.set_state(WorkerStatus.IDLE)
        self._claims.wait(_IDLE)

    def _conclude(self) -> None:
        # In slices, because a call may hang: a stop and a heartbeat must not wait for it.
        with suppress(TimeoutError):
            self._batches.conclude(_SLICE)

    def _shut_down(self) -> None:
        """Conclude the batches in flight, give back all other claims, and end the lease."""
        deadline = time.monotonic() + _GRACE
        with self._control.tolerating(lambda: None):
            try:
                while self._batches:
                    self._batches.conclude(max(0.0, deadline - time.monotonic()))
            except TimeoutError:
                self._log.warning("given back", reason="no answer in time for the stop")
        self._apart.stop()
        with self._control.tolerating(lambda: None):
            self._claims.give_back()
        self._claims.drop_lease()
