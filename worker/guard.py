"""An RQ worker that survives failures of secondary tasks, and that knows whether an exception ended it."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import redis
import structlog
from rq import SimpleWorker, worker_registration
from rq.exceptions import StopRequested
from rq.job import Job
from rq.suspension import WORKERS_SUSPENDED
from rq.worker import WorkerStatus

from events.publishing.cause import cause_of
from gateway.release import release
from worker.control import is_wrong_type
from worker.redis_retry import retry_of


class GuardedWorker(SimpleWorker):
    """An RQ worker that continues after some errors that would end RQ's own worker."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._log = structlog.stdlib.get_logger("botlive")
        self._is_done = False
        """Whether the worker ended because nothing was left to do, and not by an exception that RQ logged."""
        self.is_registered = False
        """Whether Redis has confirmed the worker's registration."""

    def run_maintenance_tasks(self) -> None:
        """Run RQ's maintenance; neither a full Redis nor a job that RQ cannot read ends the worker."""
        try:
            with retry_of(self.connection).optional():
                super().run_maintenance_tasks()  # type: ignore[no-untyped-call] # untyped in RQ
        except redis.ConnectionError:
            raise
        except Exception as error:  # noqa: BLE001 # RQ raises any exception for a job that it cannot read
            self._log.warning("RQ's maintenance failed", error=type(error).__name__)

    @property
    def is_suspended(self) -> bool:
        """Whether somebody ran `rq suspend`. RQ asks this in a transaction, which a full Redis refuses."""
        return bool(self.connection.exists(WORKERS_SUSPENDED))

    def check_for_suspension(self, burst: bool) -> None:
        """Wait until a suspension is over, as RQ does; the suspension of a burst is a normal end."""
        state = self.get_state()
        while not self._stop_requested and self.is_suspended:
            if burst:
                self._is_done = True
                raise StopRequested
            self.heartbeat()
            self.set_state(WorkerStatus.SUSPENDED)
            time.sleep(1)
        if self.get_state() != state:
            self.set_state(state)

    def handle_job_failure(self, job: Job, *arguments: Any, **options: Any) -> None:
        """Record the failure as RQ does, in this queue's failed registry and without an expiry."""
        job.failure_ttl, job.origin = -1, self.queues[0].name
        super().handle_job_failure(job, *arguments, **options)

    def register_birth(self) -> None:
        """Register the worker as RQ does, with our release; a full Redis or a wrong key does not end it."""
        with best_effort():
            super().register_birth()  # type: ignore[no-untyped-call] # untyped in RQ
            self.connection.hset(self.key, "botlive_version", release())  # "version" is the version of RQ
            self.is_registered = True

    def register_again(self) -> None:
        """Register a worker that Redis has forgotten. Its counts stay."""
        with self.connection.pipeline() as pipeline:
            fields = {**self.serialize(), "botlive_version": release(), "state": self.get_state()}
            pipeline.hset(self.key, mapping=fields)
            worker_registration.register(self, pipeline)
            pipeline.expire(self.key, self.worker_ttl + 60)
            pipeline.execute()
        self.is_registered = True

    def register_death(self) -> None:
        """Register the end as RQ does, if Redis accepts it."""
        with best_effort():
            super().register_death()  # type: ignore[no-untyped-call] # untyped in RQ

    def set_state(self, state: str, pipeline: Any = None) -> None:
        """Set the state as RQ does, if Redis accepts it."""
        with best_effort():
            super().set_state(state, pipeline)

    def _pubsub_exception_handler(self, exc: Exception, pubsub: Any, pubsub_thread: Any) -> None:
        """Handle an error of RQ's command thread as RQ does; a refusal of Redis ends it with one line."""
        if isinstance(exc, redis.ResponseError):
            self._log.warning("RQ's commands are off", reason=f"{cause_of(exc)}; the events go on")
            pubsub_thread.stop()
        else:
            super()._pubsub_exception_handler(exc, pubsub, pubsub_thread)

    def handle_payload(self, message: Any) -> None:
        """Handle a command from Redis, such as `shutdown`; an unreadable one is logged and ignored."""
        try:
            super().handle_payload(message)  # type: ignore[no-untyped-call] # untyped in RQ
        except Exception as error:  # noqa: BLE001 # the content may be anything
            self._log.warning("unreadable command", error=type(error).__name__)


@contextmanager
def best_effort() -> Iterator[None]:
    """Ignore a full Redis and a key of the wrong type, for records of RQ that a worker does not need."""
    try:
        yield
    except redis.OutOfMemoryError:
        return
    except redis.ResponseError as error:
        if not is_wrong_type(error):
            raise
