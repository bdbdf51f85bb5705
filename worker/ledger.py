"""What becomes of jobs in Redis: done, set aside with a reason, or waiting again."""

from collections.abc import Sequence

import redis
import structlog
from rq import SimpleWorker
from rq.exceptions import NoSuchJobError
from rq.job import Job
from rq.serializers import JSONSerializer

from worker.claims import Claims
from worker.errors import EventRefused
from worker.event_job import EventJob

_LONGEST = 2**31  # seconds that a job may name; -1 stands for no end


class Ledger:
    """Keeps RQ's books of one worker's jobs (``worker.batches.Books``)."""

    def __init__(self, worker: SimpleWorker, claims: Claims) -> None:
        self._worker = worker
        self._claims = claims
        self._log = structlog.stdlib.get_logger("botlive")

    def finish(self, job_ids: Sequence[str]) -> None:
        """These are done."""
        self._claims.finish(job_ids, self._worker.key)

    def fail(self, job_id: str, error: EventRefused) -> None:
        """This one stands in RQ's failed registry now, with its reason."""
        try:
            self._fail(self.job(job_id), error)
        except NoSuchJobError:  # a person discarded it meanwhile
            self.finish([job_id])
            return
        except ValueError:  # an id that RQ does not admit
            self._claims.set_aside(job_id, error.report)
        self._log.warning("set aside", job_id=job_id, reason=str(error))

    def give_back(self, job_ids: Sequence[str]) -> None:
        """These wait again, as if they had never been taken."""
        self._claims.give_back(job_ids)

    def job(self, job_id: str) -> Job:
        """The job as RQ reads it; what RQ cannot read of it is gone then.

        Raises:
            NoSuchJobError: it has no hash.
            ValueError: its id is none that RQ admits.
        """
        if ":" in job_id:
            raise ValueError("RQ would take what stands before the colon for the id")
        try:
            return self._fetch(job_id)
        except redis.RedisError:
            raise
        except Exception:  # noqa: BLE001 # RQ raises anything, an AssertionError too, at what it cannot read
            if not self._claims.is_there(job_id):
                raise NoSuchJobError from None
            self._claims.repair(job_id)
            return self._fetch(job_id)

    def _fail(self, job: Job, error: EventRefused) -> None:
        if self._is_in_registry(job, error):
            return
        self._claims.repair(job.id)  # what its hash holds may be why
        if not self._is_in_registry(self._fetch(job.id), error):
            raise redis.RedisError("the failed registry did not take a job: it stays in hand")

    def _is_in_registry(self, job: Job, error: EventRefused) -> bool:
        """Let RQ put it there, which logs an exception and goes on; whether it stands there."""
        queue = self._worker.queues[0]
        job.retries_left = 0  # what is refused is refused again
        self._worker.handle_job_failure(job, queue, exc_string=error.report)
        return self._claims.has_failed(job.id)

    def _fetch(self, job_id: str) -> Job:
        job = EventJob.fetch(job_id, connection=self._worker.connection, serializer=JSONSerializer)
        if not all(-1 <= (seconds or 0) <= _LONGEST for seconds in _seconds(job)):
            raise ValueError("RQ would hand a number to Redis that it refuses")
        return job


def _seconds(job: Job) -> tuple[float | None, ...]:
    return job.timeout, job.ttl, job.result_ttl, job.failure_ttl
