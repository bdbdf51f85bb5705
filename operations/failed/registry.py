"""RQ's failed registry: what stands in it is listed, replayed, or discarded.

An id is a text in which bytes that are no UTF-8 stand as ``surrogateescape`` makes them.
"""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple, TypeVar, cast

import redis

from events.publishing.keys import QUEUES, Keys, job_key, raw, results_key, text, timestamp
from gateway.letters import plain
from gateway.masking import mask_text
from operations.failed.edits import Edits
from operations.failed.job import FIELDS, Detail, FailedJob, read
from worker.apart import Group, Kind, Store
from worker.scripts import script
from worker.unpacking import LARGEST

KEPT = 10_000
"""Entries that the list of what was discarded keeps, about."""

_CHUNK = 100  # jobs a round trip: each may carry a megabyte
_RESULTS = 100  # of one job: RQ keeps ten, and trims them in blocks
_Thing = TypeVar("_Thing")


class Replayed(NamedTuple):
    """What became of the ids that were to be replayed."""

    done: list[str]
    gone: list[str]
    """Nothing of them is left to run."""
    absent: list[str]
    """They do not stand in the registry."""


class FailedRegistry:
    """The failed jobs of one queue."""

    def __init__(self, connection: redis.Redis, queue: str) -> None:
        self._redis = connection
        self._keys = Keys(queue)
        self._apart = Store(connection, queue)
        self.edits = Edits(connection, queue)
        """Corrections of what stands in it."""
        self._replay, self._discard = (script(connection, name) for name in ("replay", "discard"))

    def ids(self) -> list[str]:
        """The ids of all."""
        return [text(job_id) for job_id in cast("list[bytes]", self._redis.zrange(self._keys.failed, 0, -1))]

    def all(self) -> Iterator[FailedJob]:
        """All, in no order."""
        return (detail.failure for detail in self.find(self.ids()))

    def find(self, ids: Sequence[str]) -> Iterator[Detail]:
        """Those of these that stand in the registry."""
        for chunk in _chunks(ids):
            for job_id, (score, *replies) in zip(chunk, self._read(chunk), strict=True):
                if score is not None:
                    yield read(job_id, *replies)

    def replay(self, ids: Sequence[str]) -> Replayed:
        """Put them to the end of the queue, each in one step. Doing it twice at once does it once."""
        outcomes = Replayed([], [], [])
        keys = [self._keys.failed, self._keys.queue, QUEUES]
        for chunk in _chunks(list(dict.fromkeys(ids))):
            now = timestamp()
            answer = self._replay(keys=keys, args=[self._keys.name, now, *map(raw, chunk)])
            for job_id, code in zip(chunk, answer, strict=True):
                {1: outcomes.done, -1: outcomes.gone, 0: outcomes.absent}[code].append(job_id)
        return outcomes

    def discard(self, doomed: Sequence[FailedJob], why: str) -> list[FailedJob]:
        """Throw them away for good; those that still stood in the registry.

        What was discarded and why is kept, as far as it is no personal data.
        """
        return [failure for chunk in _chunks(doomed) for failure in self._discard_all(chunk, why)]

    def apart(self, company: str | None = None) -> list[tuple[Kind, Group, int]]:
        """What waits apart (of that company), why, and how many events."""
        groups = self._apart.groups().items()
        return [
            (kind, group, self._apart.count(kind))
            for kind, group in groups
            if company in {None, kind.company_id}
        ]

    def lists_apart(self) -> list[bytes]:
        """The keys of the queues of what waits apart."""
        return [raw(self._apart.list_of(kind)) for kind in self._apart.groups()]

    def discarded(self) -> Iterator[dict[str, str]]:
        """What was discarded, the newest first: id, event_type, company_id, error, reason, why, at."""
        entries = cast("list[tuple[bytes, dict[bytes, bytes]]]", self._redis.xrevrange(self._keys.discarded))
        for _, entry in entries:
            yield {text(name): text(value) for name, value in entry.items()}

    def _discard_all(self, doomed: Sequence[FailedJob], why: str) -> list[FailedJob]:
        keys = [self._keys.failed, self._keys.discarded]
        with self._redis.pipeline(transaction=False) as pipeline:
            for failure in doomed:
                note = _note(failure, why)
                self._discard(keys=keys, args=[raw(failure.job_id), KEPT, *note], client=pipeline)
            codes = pipeline.execute()
        return [failure for failure, code in zip(doomed, codes, strict=True) if code]

    def _read(self, ids: Sequence[str]) -> Iterator[list[Any]]:
        """For each its score, whether it is a hash, its fields, and its results, the newest first."""
        sizes = self._redis.pipeline(transaction=False)
        for job_id in ids:
            sizes.hstrlen(cast("str", job_key(job_id)), FIELDS[0])
        pipeline = self._redis.pipeline(transaction=False)
        for job_id, size in zip(ids, sizes.execute(raise_on_error=False), strict=True):
            is_large = isinstance(size, int) and size > LARGEST
            pipeline.zscore(self._keys.failed, raw(job_id))
            pipeline.type(job_key(job_id))
            pipeline.hmget(job_key(job_id), *(("-", *FIELDS[1:]) if is_large else FIELDS))
            pipeline.xrevrange(results_key(job_id), count=_RESULTS)
        replies = [readable(reply) for reply in pipeline.execute(raise_on_error=False)]
        return (replies[index : index + 4] for index in range(0, len(replies), 4))


def _note(failure: FailedJob, why: str) -> list[str]:
    told = {
        **{"id": failure.job_id, "event_type": failure.event_type, "company_id": failure.company},
        **{"error": failure.reason.error, "reason": failure.reason.words, "why": mask_text(why)},
        "at": datetime.now(UTC).isoformat(timespec="milliseconds"),
    }
    return [text for name, value in told.items() for text in (name, plain(value or ""))]


def readable(reply: Any) -> Any:
    """None for a key that holds something else than it should: that is damage, and to be shown."""
    if isinstance(reply, redis.ResponseError) and str(reply).startswith("WRONGTYPE"):
        return None
    if isinstance(reply, Exception):
        raise reply
    return reply


def _chunks(things: Sequence[_Thing]) -> Iterator[Sequence[_Thing]]:
    return (things[start : start + _CHUNK] for start in range(0, len(things), _CHUNK))
