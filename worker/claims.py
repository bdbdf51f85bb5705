"""The claims of one worker: claims jobs, holds its lease, releases jobs, and recovers those of dead workers.

Each step is one Lua script. A worker that is killed at any moment therefore leaves a job either on the
queue or in RQ's started registry under its owner's name. The score in that registry is infinite, so that
RQ's own clean-up, which would count an attempt, ignores our claims. An owner without a lease is dead.
"""

import threading
import zlib
from base64 import b64encode
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import Any, Literal

import redis

from events.publishing.keys import LEASE, QUEUES, Keys, job_key, raw, results_key, text, timestamp
from worker.control import none_if_wrong_type
from worker.scripts import script
from worker.unpacking import LARGEST

PREFIX = "botlive-"
"""The prefix of our workers' names; a claim's owner is a worker."""

LEASE_TTL = 6.0
"""Seconds after its last renewal until a worker counts as dead."""
_RENEWAL = 1.5  # seconds between two renewals of the lease, and between two searches for dead workers
_HEAVIEST = 32_000_000  # bytes of data in one claim, as stored in Redis
_LOOK = 2_000  # jobs that one claim examines, to find events of other shops
_SHARE = 4  # one shop gets at most 1/4 of a batch while other shops may wait


@dataclass(frozen=True, slots=True)
class Claim:
    """A claimed job."""

    job_id: str
    data: bytes | None
    """The job's call as stored in Redis; None if it is larger than any event and was not read."""
    published: datetime | None = None
    """When it was put on the queue; None if its hash does not say."""


@dataclass(frozen=True, slots=True)
class Batch:
    """The jobs of one claim."""

    claims: Sequence[Claim] = ()
    kind: Literal["batch", "suspects", "stock"] = "batch"
    """``suspects``: must run without others. ``stock``: RQ itself must run the job at the queue's head."""
    deaths: int = 0
    """How often a worker died while it held only this batch's one job; 0 if its last run ended otherwise."""


@dataclass
class Claims:
    """The jobs of one queue that one worker holds."""

    connection: redis.Redis
    queue: str
    owner: str
    _stopped: threading.Event = field(default_factory=threading.Event, init=False)

    def __post_init__(self) -> None:
        scripts = partial(script, self.connection)
        self._claim, self._acknowledge, self._set_aside = map(scripts, ("claim", "acknowledge", "set_aside"))
        self._give_back, self._restore = map(scripts, ("give_back", "restore"))
        self._recover, self._lease = map(scripts, ("recover", "lease"))
        self._keys = Keys(self.queue)

    def claim(self, most: int) -> Batch:
        """Claim the jobs that wait, ``most`` of them at most, without waiting for more."""
        answer: list[bytes] = self._claim(
            keys=[self._keys.queue, self._keys.started, QUEUES, self._keys.turn],
            args=[self.owner, most, max(_LOOK, most), max(1, most // _SHARE), LARGEST, _HEAVIEST],
        )
        return _batch(answer)

    def wait(self, seconds: float) -> None:
        """Wait until the queue has a job. The job stays there, so a kill during the wait loses nothing."""
        self.connection.blmove(self._keys.queue, self._keys.queue, seconds, "LEFT", "LEFT")  # type: ignore[arg-type] # Redis takes fractions

    def acknowledge(self, job_ids: Sequence[str], worker_key: str) -> int:
        """Remove jobs whose events are persisted. Return how many of them this worker still held."""
        keys = [self._keys.started, self._keys.failed, worker_key]
        done: int = self._acknowledge(keys=keys, args=[self.owner, *map(raw, job_ids)])
        return done

    def give_back(self, job_ids: Sequence[str] = ()) -> None:
        """Put jobs back at the head of the queue, in order; by default all that this worker holds."""
        keys = [self._keys.queue, self._keys.started, QUEUES]
        self._give_back(keys=keys, args=[self.owner, *map(raw, job_ids)])

    def restore(self, job_ids: Collection[str]) -> None:
        """Record the claims of these jobs again, if the registry has lost them."""
        self._restore(keys=[self._keys.started], args=[self.owner, *map(raw, job_ids)])

    def give_back_strays(self, known: Collection[str]) -> int:
        """Give back claims that this worker does not know of, because the answer to a claim was lost."""
        members: Any = self.connection.zrange(self._keys.started, "+inf", "+inf", byscore=True)
        held = (text(member).rpartition(":") for member in members)
        strays = [job_id for job_id, _, owner in held if owner == self.owner and job_id not in known]
        if strays:
            self.give_back(strays)
        return len(strays)

    def has_more(self) -> bool:
        """Return whether a job waits on the queue or in an overflow queue."""
        return bool(self.connection.exists(self._keys.queue, self._keys.turn))

    def is_there(self, job_id: str) -> bool:
        """Return whether the job's key exists."""
        return bool(self.connection.exists(job_key(job_id)))

    def set_aside(self, job_id: str, report: str, worker_key: str) -> str | None:
        """Move a job to RQ's failed registry, with its reason. Return its description.

        Return None, and change nothing, if this worker does not hold the job or somebody discarded it.

        Raises:
            ResponseError: a key has the wrong type; nothing was changed.
        """
        keys = [self._keys.started, self._keys.failed, job_key(job_id), results_key(job_id), worker_key]
        packed = b64encode(zlib.compress(report.encode()))  # as rq.results.Result does
        answer = self._set_aside(keys=keys, args=[self.owner, raw(job_id), self.queue, report, packed])
        return None if answer is None else answer.decode(errors="replace")

    def repair(self, job_id: str) -> None:
        """Rebuild a job's hash that RQ cannot read, with the data, the digest and our own counts only.

        After that RQ can show, replay and discard the job.
        """
        key = job_key(job_id)
        kept = self.connection.hmget(key, "data", "digest", "suspect", "deaths")
        names = ("data", "digest", "suspect", "deaths")
        instant = timestamp()
        plain: dict[Any, Any] = {
            "origin": self.queue,
            "status": "started",
            "created_at": instant,
            "failure_ttl": "-1",
        }
        found: dict[Any, Any] = {
            name: value for name, value in zip(names, kept, strict=True) if value is not None
        }
        with self.connection.pipeline() as pipeline:
            pipeline.delete(key)
            pipeline.hset(key, mapping={"data": "", "description": "malformed", **plain, **found})
            pipeline.execute()

    def recover(self) -> int:
        """Give back the jobs of dead workers. Return their number."""
        keys = [self._keys.queue, self._keys.started, QUEUES]
        recovered: int = self._recover(keys=keys, args=[PREFIX, LEASE])
        return recovered

    def _member(self, job_id: str) -> bytes:
        return raw(f"{job_id}:{self.owner}")

    def hold_lease(self, on_recovered: Callable[[int], None] = lambda jobs: None) -> None:
        """Hold the lease until ``drop_lease``, and recover the jobs of dead workers, in a thread.

        ``on_recovered`` is called with the number of recovered jobs.
        """
        self._renew(on_recovered)
        threading.Thread(target=self._keep_alive, args=[on_recovered], name="lease", daemon=True).start()

    def drop_lease(self) -> None:
        """Delete the lease: other workers recover at once what this one still holds."""
        self._stopped.set()
        self.connection.delete(LEASE + self.owner)

    def _keep_alive(self, on_recovered: Callable[[int], None]) -> None:
        # In its own thread: neither the lease nor the recovery may wait for an answer of Supabase.
        while not self._stopped.wait(_RENEWAL):
            try:
                self._renew(on_recovered)
            except redis.RedisError:
                continue  # the next renewal may come in time; the main thread reports the error

    def _renew(self, on_recovered: Callable[[int], None]) -> None:
        self._lease(keys=[LEASE + self.owner], args=[int(LEASE_TTL * 1000)])
        if recovered := none_if_wrong_type(self.recover):
            on_recovered(recovered)


def _batch(answer: list[Any]) -> Batch:
    kind = answer[0].decode()
    if kind == "stock":
        return Batch([Claim(text(answer[1]), b"")], "stock")
    if kind == "alone":
        return Batch([_one(*answer[1:4])], "suspects", int(answer[4]))
    claims = [_one(*fields) for fields in zip(answer[1::3], answer[2::3], answer[3::3], strict=True)]
    return Batch(claims, "suspects" if kind == "suspects" else "batch")


def _one(job_id: bytes, data: bytes | None, created_at: bytes) -> Claim:
    return Claim(text(job_id), data, _instant(created_at))


def _instant(stamp: bytes) -> datetime | None:
    try:
        found = datetime.fromisoformat(stamp.decode())
    except ValueError:  # somebody else wrote it
        return None
    return found if found.tzinfo else None
