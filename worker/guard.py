"""RQ's worker, which no side show ends, and of which is known whether an exception ended it."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import redis
import structlog
from rq import SimpleWorker
from rq.exceptions import StopRequested
from rq.job import Job

from gateway.release import release
from worker.control import is_misfit
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
        """RQ's, with our release; neither a full Redis nor a key of another type keeps it away."""
        with unbooked():
            super().register_birth()  # type: ignore[no-untyped-call] # RQ's
            self.connection.hset(self.key, "botlive_version", release())  # "version" is RQ's

    def register_death(self) -> None:
        """RQ's; the same."""
        with unbooked():
            super().register_death()  # type: ignore[no-untyped-call] # RQ's

    def set_state(self, state: str, pipeline: Any = None) -> None:
        """RQ's; the same."""
        with unbooked():
            super().set_state(state, pipeline)

    def handle_payload(self, message: Any) -> None:
        """RQ's: a command from elsewhere, as `shutdown`; one that cannot be read ends nothing."""
        try:
            super().handle_payload(message)  # type: ignore[no-untyped-call] # RQ's
        except Exception as error:  # noqa: BLE001 # whoever writes to Redis may send anything
            self._log.warning("a command was not understood", error=type(error).__name__)


@contextmanager
def unbooked() -> Iterator[None]:
    """What RQ notes of its workers, and what these can do without."""
    try:
        yield
    except redis.OutOfMemoryError:
        return
    except redis.ResponseError as error:
        if not is_misfit(error):
            raise
