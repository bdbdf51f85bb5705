"""Which jobs this worker holds: claimed, kept by a lease, finished, given back, or taken from the dead.

Each step is one Lua script, so a worker killed at any instant leaves a job on the queue or in RQ's
started registry under its owner's name, and nowhere else. The registry's score is without end: RQ's
own clean-up, which would count an attempt, leaves our claims alone. What tells a dead owner is its lease.
"""

import threading
import zlib
from base64 import b64encode
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import redis

from events.publishing.keys import LEASE, QUEUES, Keys, job_key, raw, results_key, text, timestamp
from worker.control import passing_over_misfits
from worker.scripts import script
from worker.unpacking import LARGEST

PREFIX = "botlive-"
"""What the names of our owners begin with."""

LEASE_TTL = 6.0
"""Seconds until a worker that says nothing more counts as dead."""
_RENEWAL = 1.5  # seconds between two signs of life, and between two looks for the dead
_HEAVIEST = 32_000_000  # bytes of the calls of one claim, as they stand in Redis
_LOOK = 2_000  # jobs that a claim looks through for other shops' events
_NEVER = 2**53  # a score of RQ's failed registry that no clean-up reaches
_SHARE = 4  # a shop's share of a batch is this part of it while others may wait


@dataclass(frozen=True, slots=True)
class Claim:
    """A job in hand."""

    job_id: str
    data: bytes | None
    """The job's call as it stands in Redis; None where it is larger than any event, and was left there."""


@dataclass(frozen=True, slots=True)
class Batch:
    """The jobs of one claim."""

    claims: Sequence[Claim] = ()
    kind: Literal["batch", "suspects", "stock"] = "batch"
    """``suspects``: to be run without others. ``stock``: RQ itself has to run the job at the queue's head."""
    deaths: int = 0
    """How often a worker died with its one job alone in hand; 0 where the last run was no such death."""


@dataclass
class Claims:
    """The jobs that one worker holds of one queue."""

    connection: redis.Redis
    queue: str
    owner: str
    _stopped: threading.Event = field(default_factory=threading.Event, init=False)

    def __post_init__(self) -> None:
        names = ("claim", "acknowledge", "give_back", "hold_on", "recover", "lease")
        self._claim, self._acknowledge, self._give_back, self._hold_on, self._recover, self._lease = (
            script(self.connection, name) for name in names
        )
        self._keys = Keys(self.queue)

    def claim(self, most: int) -> Batch:
        """Take what waits, up to ``most`` jobs, without waiting for more."""
        answer: list[bytes] = self._claim(
            keys=[self._keys.queue, self._keys.started, QUEUES, self._keys.turn],
            args=[self.owner, most, max(_LOOK, most), max(1, most // _SHARE), LARGEST, _HEAVIEST],
        )
        return _batch(answer)

    def wait(self, seconds: float) -> None:
        """Wait until something is on the queue. It stays there: a kill while waiting loses nothing."""
        self.connection.blmove(self._keys.queue, self._keys.queue, seconds, "LEFT", "LEFT")  # type: ignore[arg-type] # a fraction too

    def acknowledge(self, job_ids: Sequence[str], worker_key: str) -> None:
        """The jobs are done, and gone."""
        self._acknowledge(
            keys=[self._keys.started, self._keys.failed, worker_key], args=[self.owner, *map(raw, job_ids)]
        )

    def give_back(self, job_ids: Sequence[str] = ()) -> None:
        """Put jobs back to the head of the queue, in order; by default all that this worker holds."""
        keys = [self._keys.queue, self._keys.started, QUEUES]
        self._give_back(keys=keys, args=[self.owner, *map(raw, job_ids)])

    def hold_on(self, job_ids: Collection[str]) -> None:
        """Write down again that these are in hand, where the registry has lost it."""
        self._hold_on(keys=[self._keys.started], args=[self.owner, *map(raw, job_ids)])

    def give_back_strays(self, known: Collection[str]) -> int:
        """Put back what is held in this worker's name and not known to it: the answer to a claim was lost."""
        members: Any = self.connection.zrange(self._keys.started, "+inf", "+inf", byscore=True)
        held = (text(member).rpartition(":") for member in members)
        strays = [job_id for job_id, _, owner in held if owner == self.owner and job_id not in known]
        if strays:
            self.give_back(strays)
        return len(strays)

    def has_more(self) -> bool:
        """Whether anything waits, put off or not."""
        return bool(self.connection.exists(self._keys.queue, self._keys.turn))

    def release_failed(self, job_id: str) -> bool:
        """Release the claim if the job is in RQ's failed registry. Answers whether it was."""
        if self.connection.zscore(self._keys.failed, raw(job_id)) is None:
            return False
        self.connection.zrem(self._keys.started, self._member(job_id))
        return True

    def is_there(self, job_id: str) -> bool:
        """Whether the job has a hash, in whatever state."""
        return bool(self.connection.exists(job_key(job_id)))

    def make_way(self, job_id: str) -> None:
        """See that what is written when a job fails can be written: RQ would write half of it.

        Raises:
            ResponseError: a registry is none; nothing was changed.
        """
        results = results_key(job_id)
        with self.connection.pipeline(transaction=False) as pipeline:
            for key in (self._keys.started, self._keys.failed, results):
                pipeline.type(key)
            *registries, stream = (kind.decode() for kind in pipeline.execute())
        for key, kind in zip((self._keys.started, self._keys.failed), registries, strict=True):
            if kind not in {"none", "zset"}:
                raise redis.ResponseError(f"WRONGTYPE zset {kind} {key}")  # as types.lua says it
        if stream != "stream":
            self.connection.delete(results)

    def set_aside(self, job_id: str, report: str) -> None:
        """Put into RQ's failed registry what RQ itself cannot read, or what is too large to be read."""
        failed: dict[Any, Any] = {"status": "failed", "exc_info": report}
        results = results_key(job_id)
        # As rq.results.Result.save: that is where people's tools look for the reason.
        told: dict[Any, Any] = {"type": "2", "exc_string": b64encode(zlib.compress(report.encode()))}
        with self.connection.pipeline() as pipeline:
            pipeline.xadd(results, told, maxlen=10)
            pipeline.hset(job_key(job_id), mapping=failed)
            pipeline.zadd(self._keys.failed, {raw(job_id): _NEVER})
            pipeline.zrem(self._keys.started, self._member(job_id))
            pipeline.execute()

    def repair(self, job_id: str) -> None:
        """Drop what RQ cannot read of a job's hash, so that it can be shown, replayed and discarded."""
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
        """Give back what dead workers held; how many jobs that were."""
        keys = [self._keys.queue, self._keys.started, QUEUES]
        recovered: int = self._recover(keys=keys, args=[PREFIX, LEASE])
        return recovered

    def _member(self, job_id: str) -> bytes:
        return raw(f"{job_id}:{self.owner}")

    def live(self, told: Callable[[int], None] = lambda jobs: None) -> None:
        """Hold the lease until ``die``, and look after the dead; ``told`` hears how many jobs they held."""
        self._renew(told)
        threading.Thread(target=self._keep_alive, args=[told], name="lease", daemon=True).start()

    def die(self) -> None:
        """Let the lease go: whatever is still held is another worker's to recover at once."""
        self._stopped.set()
        self.connection.delete(LEASE + self.owner)

    def _keep_alive(self, told: Callable[[int], None]) -> None:
        # A thread of its own: neither the lease nor the dead may wait for an answer of Supabase's.
        while not self._stopped.wait(_RENEWAL):
            try:
                self._renew(told)
            except redis.RedisError:
                continue  # the next one in time may come through; the main thread says what is wrong

    def _renew(self, told: Callable[[int], None]) -> None:
        self._lease(keys=[LEASE + self.owner], args=[int(LEASE_TTL * 1000)])
        if recovered := passing_over_misfits(self.recover):
            told(recovered)


def _batch(answer: list[Any]) -> Batch:
    kind = answer[0].decode()
    if kind == "stock":
        return Batch([Claim(text(answer[1]), b"")], "stock")
    if kind == "alone":
        return Batch([_one(answer[1], answer[2])], "suspects", int(answer[3]))
    pairs = zip(answer[1::2], answer[2::2], strict=True)
    claims = [_one(job_id, data) for job_id, data in pairs]
    return Batch(claims, "suspects" if kind == "suspects" else "batch")


def _one(job_id: bytes, data: bytes | None) -> Claim:
    return Claim(text(job_id), data)
