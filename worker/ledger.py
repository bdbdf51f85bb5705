"""What becomes of jobs in Redis: done, set aside with a reason, or waiting again."""

from collections.abc import Sequence

import redis
import structlog
from rq import SimpleWorker
from rq.exceptions import NoSuchJobError
from rq.job import validate_job_id

from gateway.errors import EventRefused, OversizedJob
from worker.claims import Claims
from worker.event_job import EventJob

_LONGEST = 2**31  # seconds that a job may name; -1 stands for no end


class Ledger:
    """Keeps RQ's books of one worker's jobs (``worker.batches.Acknowledges``)."""

    def __init__(self, worker: SimpleWorker, claims: Claims) -> None:
        self._worker = worker
        self._claims = claims
        self._log = structlog.stdlib.get_logger("botlive")

    def acknowledge(self, job_ids: Sequence[str]) -> None:
        """These are done."""
        self._claims.acknowledge(job_ids, self._worker.key)

    def fail(self, job_id: str, error: EventRefused) -> None:
        """This one stands in RQ's failed registry now, with its reason."""
        self._claims.make_way(job_id)
        try:
            if isinstance(error, OversizedJob):
                self._claims.set_aside(job_id, error.report)
            else:
                self._fail(job_id, error)
        except NoSuchJobError:  # a person discarded it meanwhile
            self.acknowledge([job_id])
            return
        except ValueError:  # an id that RQ does not admit
            self._claims.set_aside(job_id, error.report)
        self._log.warning("set aside", job_id=job_id, reason=str(error))

    def give_back(self, job_ids: Sequence[str]) -> None:
        """These wait again, as if they had never been taken."""
        self._claims.give_back(job_ids)

    def job(self, job_id: str) -> EventJob:
        """The job as RQ reads it; what RQ cannot read of it is gone then.

        Raises:
            NoSuchJobError: it has no hash.
            ValueError: its id is none that RQ admits.
        """
        validate_job_id(job_id)
        job = self._fetch(job_id)
        if job.is_damaged or not _is_bounded(job):
            self._claims.repair(job_id)
            job = self._fetch(job_id)
        return job

    def _fail(self, job_id: str, error: EventRefused) -> None:
        job, queue = self.job(job_id), self._worker.queues[0]
        job.retries_left = 0  # what is refused is refused again
        self._worker.handle_job_failure(job, queue, exc_string=error.report)
        if not self._claims.release_failed(job.id):  # RQ logs that, and goes on
            raise redis.RedisError("the failed registry did not take a job: it stays in hand")

    def _fetch(self, job_id: str) -> EventJob:
        connection = self._worker.connection
        return EventJob.fetch(job_id, connection)


def _is_bounded(job: EventJob) -> bool:
    """Whether Redis takes the numbers that RQ would hand on to it."""
    numbers: tuple[float | None, ...] = (job.timeout, job.ttl, job.result_ttl, job.failure_ttl)
    return all(-1 <= (seconds or 0) <= _LONGEST for seconds in numbers)
