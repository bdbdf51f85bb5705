"""RQ's worker, which no side show ends, and of which is known whether an exception ended it."""

from contextlib import suppress
from typing import Any

import redis
import structlog
from rq import SimpleWorker
from rq.exceptions import StopRequested
from rq.job import Job

from worker.way import way_of


class GuardedWorker(SimpleWorker):
    """A worker of RQ's that goes on where RQ's own would end."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._log = structlog.stdlib.get_logger("botlive")
        self._is_done = False
        """Whether it found nothing more to do: RQ returns alike after an exception, which it only logs."""

    def run_maintenance_tasks(self) -> None:
        """RQ's; neither a full Redis nor a job that RQ cannot read ends the worker."""
        try:
            with way_of(self.connection).optional():
                super().run_maintenance_tasks()  # type: ignore[no-untyped-call] # RQ's
        except redis.ConnectionError:
            raise
        except Exception as error:  # noqa: BLE001 # RQ raises anything at what it cannot read
            self._log.warning("RQ's maintenance failed", error=type(error).__name__)

    def check_for_suspension(self, burst: bool) -> None:
        """RQ's; a burst that is suspended is done."""
        try:
            super().check_for_suspension(burst)
        except StopRequested:
            self._is_done = True
            raise

    def handle_job_failure(self, job: Job, *arguments: Any, **options: Any) -> None:
        """RQ's; what fails stays until a person has decided, and where people look, whatever the job says."""
        job.failure_ttl, job.origin = -1, self.queues[0].name
        super().handle_job_failure(job, *arguments, **options)

    def register_birth(self) -> None:
        """RQ's; a full Redis must not keep those away who empty it."""
        with suppress(redis.OutOfMemoryError):
            super().register_birth()  # type: ignore[no-untyped-call] # RQ's

    def register_death(self) -> None:
        """RQ's; the same."""
        with suppress(redis.OutOfMemoryError):
            super().register_death()  # type: ignore[no-untyped-call] # RQ's

    def set_state(self, state: str, pipeline: Any = None) -> None:
        """RQ's; the same."""
        with suppress(redis.OutOfMemoryError):
            super().set_state(state, pipeline)
