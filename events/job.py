"""An event as an RQ job: the hash and the keys that RQ expects, written without RQ.

The chat process need not carry RQ for this; ``tests/integration`` reads the jobs back with RQ
itself. Source: ``rq.job.Job.to_dict`` and ``rq.queue.Queue`` of RQ 3.0.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from uuid import UUID

from events.contracts import Event

FUNCTION = "worker.job.persist"
"""The one function that a job of ours may call."""

TIMEOUT = 60
"""Seconds that RQ lets one job run."""

QUEUE = "botlive"
"""The queue where the environment names no other."""


@dataclass(frozen=True, slots=True)
class Keys:
    """The Redis keys of one RQ queue."""

    queue: str
    name: str
    failed: str
    queues: str = "rq:queues"

    @classmethod
    def of(cls, name: str) -> "Keys":
        """The keys of the queue of that name."""
        return cls(queue=f"rq:queue:{name}", name=name, failed=f"rq:failed:{name}")

    def arguments(self, call: "Call", job_id: str) -> list[str]:
        """The keys and values that ``publish.lua`` takes."""
        keys = [f"rq:job:{job_id}", self.queue, self.queues, self.failed]
        return [*keys, job_id, call.digest, *self._fields(call)]

    def _fields(self, call: "Call") -> list[str]:
        instant = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        fields = {
            "data": call.data,
            "origin": self.name,
            "status": "queued",
            "timeout": str(TIMEOUT),
            "result_ttl": "0",
            "failure_ttl": "-1",
            # What rq-dashboard and RQ's own log lines show: never the arguments.
            "description": call.description,
            "created_at": instant,
            "enqueued_at": instant,
        }
        return [text for field in fields.items() for text in field]


@dataclass(frozen=True, slots=True)
class Call:
    """An event as the call that its job makes."""

    event_id: UUID
    data: str
    """The call as RQ's JSON serializer writes it: function, instance, arguments."""
    digest: str
    description: str

    @classmethod
    def of(cls, event: Event) -> "Call":
        """The call that persists the event."""
        data = f'["{FUNCTION}",null,[{event.model_dump_json(exclude_none=True)}],{{}}]'
        return cls(event.event_id, data, sha256(data.encode()).hexdigest()[:16], event.type)

    @property
    def own_id(self) -> str:
        """The job's id: the event's id."""
        return str(self.event_id)

    @property
    def contested_id(self) -> str:
        """The job's id where another event waits under the same id: both must reach the worker."""
        return f"{self.event_id}-{self.digest}"
