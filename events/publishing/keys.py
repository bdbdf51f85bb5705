"""The Redis keys of one queue: RQ's own, and ours beside them. Nothing else spells a key.

Source: ``rq.job.Job``, ``rq.queue.Queue`` and ``rq.registry`` of RQ 3.0.
"""

from dataclasses import dataclass
from datetime import UTC, datetime

QUEUE = "botlive"
"""The queue where the environment names no other."""

QUEUES = "rq:queues"
"""The set of all queues."""

JOB = "rq:job:"
"""What the key of a job's hash begins with; the job's id follows."""

WORKER = "rq:worker:"
"""What the key of a worker's hash begins with; the worker's name follows."""

LEASE = "botlive:lease:"
"""What the key of a worker's lease begins with; the worker's name follows."""


@dataclass(frozen=True, slots=True)
class Keys:
    """The keys of the queue of that name."""

    name: str

    @property
    def queue(self) -> str:
        """A list: the ids of the jobs that wait."""
        return f"rq:queue:{self.name}"

    @property
    def intermediate(self) -> str:
        """A list of RQ's, which our workers do not use."""
        return f"{self.queue}:intermediate"

    @property
    def started(self) -> str:
        """A sorted set: the claims, each a job's id and its owner."""
        return self.registry("wip")

    @property
    def failed(self) -> str:
        """A sorted set: the dead letters."""
        return self.registry("failed")

    @property
    def workers(self) -> str:
        """A set: the workers of this queue."""
        return f"rq:workers:{self.name}"

    @property
    def turn(self) -> str:
        """A list: the shops whose overflow queues wait for their turn."""
        return f"botlive:turn:{self.name}"

    @property
    def apart(self) -> str:
        """A hash: what waits apart, and why."""
        return f"botlive:apart:{self.name}"

    @property
    def edited(self) -> str:
        """A stream: who changed which failed event."""
        return f"botlive:edited:{self.name}"

    @property
    def discarded(self) -> str:
        """A stream: what was discarded, and why."""
        return f"botlive:discarded:{self.name}"

    def registry(self, kind: str) -> str:
        """A sorted set: a registry of RQ's."""
        return f"rq:{kind}:{self.name}"

    def apart_queue(self, event_type: str, company_id: str) -> str:
        """A list: the events of one type and company that wait apart."""
        return f"{self.queue}:apart:{event_type}:{company_id}"


def job_key(job_id: str) -> bytes:
    """The key of a job's hash. An id may hold any bytes, as ``surrogateescape`` makes them a text."""
    return raw(f"{JOB}{job_id}")


def results_key(job_id: str) -> bytes:
    """The key of the stream of a job's results."""
    return raw(f"rq:results:{job_id}")


def raw(text: str) -> bytes:
    """An id or a key as Redis knows it."""
    return text.encode(errors="surrogateescape")


def text(raw_text: bytes) -> str:
    """An id or a key as a text."""
    return raw_text.decode(errors="surrogateescape")


def timestamp() -> str:
    """The present time, UTC, as RQ writes it in a job's hash."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
