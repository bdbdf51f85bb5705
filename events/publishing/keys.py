"""The Redis keys of a queue: those of RQ and our own. No other module builds a key.

Source: ``rq.job.Job``, ``rq.queue.Queue`` and ``rq.registry`` of RQ 3.0.
"""

from dataclasses import dataclass
from datetime import UTC, datetime

QUEUE = "botlive"
"""The default queue."""

QUEUES = "rq:queues"
"""The set of all queues."""

WORKERS = "rq:workers"
"""The set of the workers of all queues."""

JOB = "rq:job:"
"""Prefix of the key of a job's hash; the job's id follows."""

WORKER = "rq:worker:"
"""Prefix of the key of a worker's hash; the worker's name follows."""

COUNTER = "botlive:published:"
"""Prefix of the key of a publisher's counter; a random name follows."""

LEASE = "botlive:lease:"
"""Prefix of the key of a worker's lease; the worker's name follows."""


@dataclass(frozen=True, slots=True)
class Keys:
    """The keys of the queue ``name``."""

    name: str

    @property
    def queue(self) -> str:
        """A list: the ids of the waiting jobs."""
        return f"rq:queue:{self.name}"

    @property
    def intermediate(self) -> str:
        """A list of RQ that our workers do not use."""
        return f"{self.queue}:intermediate"

    @property
    def started(self) -> str:
        """A sorted set: the claims, each a job's id and its owner."""
        return self.registry("wip")

    @property
    def failed(self) -> str:
        """A sorted set: the failed registry, which holds the dead letters."""
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
        """A hash: which events wait apart, and why."""
        return f"botlive:apart:{self.name}"

    @property
    def edited(self) -> str:
        """A stream: the edits of failed events, and who made them."""
        return f"botlive:edited:{self.name}"

    @property
    def discarded(self) -> str:
        """A stream: the discarded events, and why."""
        return f"botlive:discarded:{self.name}"

    @property
    def alerts(self) -> str:
        """A hash: the problems of which an alert was sent."""
        return f"botlive:alerts:{self.name}"

    def registry(self, kind: str) -> str:
        """Return the key of RQ's registry of this kind, a sorted set."""
        return f"rq:{kind}:{self.name}"

    def shop_queue(self, company_id: str) -> str:
        """Return the key of a shop's overflow queue, a list."""
        return f"{self.queue}:shop:{company_id}"

    def apart_queue(self, event_type: str, company_id: str) -> str:
        """Return the key of the list of the events of one type and company that wait apart."""
        return f"{self.queue}:apart:{event_type}:{company_id}"


def job_key(job_id: str) -> bytes:
    """Return the key of a job's hash. The id may contain any bytes, decoded with ``surrogateescape``."""
    return raw(f"{JOB}{job_id}")


def results_key(job_id: str) -> bytes:
    """Return the key of the stream with a job's results."""
    return raw(f"rq:results:{job_id}")


def raw(text: str) -> bytes:
    """Encode an id or a key to bytes for Redis."""
    return text.encode(errors="surrogateescape")


def text(raw_text: bytes) -> str:
    """Decode an id or a key from Redis to text."""
    return raw_text.decode(errors="surrogateescape")


def timestamp() -> str:
    """Return the current time in UTC, in the format that RQ uses in a job's hash."""
    return datetime.now(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
