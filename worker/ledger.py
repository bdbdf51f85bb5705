"""Records in Redis what happened to jobs: acknowledged, set aside with a reason, or given back."""

from collections.abc import Collection, Sequence
from contextlib import suppress

import structlog
from rq import SimpleWorker
from rq.exceptions import NoSuchJobError
from rq.job import validate_job_id

from gateway.errors import EventRefused, OversizedJob
from worker import incidents, metrics
from worker.claims import Claims
from worker.event_job import EventJob
from worker.incidents import Incident

_LOST = "another worker took the job over, or somebody discarded it: this worker does not set it aside"
_STRAY = "the answer to their claim was lost, or Redis forgot that they were done"
_LONGEST = 2**31  # seconds, for any duration of a job; -1 means without an end


class Ledger:
    """Records the results of one worker's jobs in RQ's keys (``worker.batches.Acknowledges``)."""

    def __init__(self, worker: SimpleWorker, claims: Claims) -> None:
        self._worker = worker
        self._claims = claims
        self.acknowledged = 0
        """Jobs, as Redis confirmed them."""
        self._log = structlog.stdlib.get_logger("botlive")

    def acknowledge(self, job_ids: Sequence[str]) -> None:
        """Remove the jobs: their events are persisted."""
        done = self._claims.acknowledge(job_ids, self._worker.key)
        self.acknowledged += done
        if done < len(job_ids):
            reason = "Redis forgot the claims, or another worker took them over: a second run is a duplicate"
            self._log.warning("claims lost", jobs=len(job_ids) - done, reason=reason)

    def fail(self, job_id: str, error: EventRefused) -> None:
        """Move the job to RQ's failed registry, with its reason, if this worker still holds it."""
        if not isinstance(error, OversizedJob):
            with suppress(NoSuchJobError, ValueError):  # it is gone, or RQ does not allow its id
                self.job(job_id)  # its hash is repaired, so that RQ's tools can show it
        description = self._claims.set_aside(job_id, error.report, self._worker.key)
        if description is None:
            self._log.warning("claims lost", jobs=1, reason=_LOST)
            return
        metrics.count_failure(type(error).__name__)
        self._log.warning("set aside", job_id=job_id, reason=str(error))
        incidents.report(Incident("event failed", error, job_id, description or None))

    def give_back_strays(self, known: Collection[str]) -> bool:
        """Give back this worker's claims that are not among the known jobs. Return whether there were any."""
        strays = self._claims.give_back_strays(known)
        if strays:
            self._log.warning("given back", jobs=strays, reason=_STRAY)
        return bool(strays)

    def give_back(self, job_ids: Sequence[str]) -> None:
        """Put the jobs back on the queue, without counting an attempt."""
        self._claims.give_back(job_ids)

    def job(self, job_id: str) -> EventJob:
        """Fetch a job; fields that RQ cannot read are removed from its hash.

        Raises:
            NoSuchJobError: the job has no hash.
            ValueError: RQ does not allow its id.
        """
        validate_job_id(job_id)
        job = self._fetch(job_id)
        if job.is_damaged or not _is_bounded(job):
            self._claims.repair(job_id)
            job = self._fetch(job_id)
        return job

    def _fetch(self, job_id: str) -> EventJob:
        connection = self._worker.connection
        return EventJob.fetch(job_id, connection)


def _is_bounded(job: EventJob) -> bool:
    """Return whether Redis accepts the durations that RQ would pass to it."""
    numbers: tuple[float | None, ...] = (job.timeout, job.ttl, job.result_ttl, job.failure_ttl)
    return all(-1 <= (seconds or 0) <= _LONGEST for seconds in numbers)
