"""RQ's failed registry: lists, replays and discards its jobs.

An id is a text; bytes that are not UTF-8 are decoded with ``surrogateescape``.
"""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple, TypeVar, cast

import redis

from events.publishing.keys import QUEUES, Keys, job_key, raw, results_key, text, timestamp
from gateway.letters import printable
from gateway.masking import mask_text
from operations.failed.edits import Edits
from operations.failed.job import FIELDS, Detail, FailedJob, read
from worker.apart import Group, Kind, Store
from worker.scripts import script
from worker.unpacking import LARGEST

KEPT = 10_000
"""The approximate number of discarded events that are kept in the list."""

_CHUNK = 100  # jobs in one round trip; each may have a megabyte
_VERSIONS = 250  # jobs in one script, which keeps Redis busy for a millisecond or two
_RESULTS = 100  # results of one job; RQ keeps ten, but trims its streams only approximately
_Thing = TypeVar("_Thing")


class Replayed(NamedTuple):
    """The outcome of a replay, by id."""

    done: list[str]
    gone: list[str]
    """Their jobs no longer exist."""
    absent: list[str]
    """They are not in the registry."""


class FailedRegistry:
    """The failed jobs of one queue."""

    def __init__(self, connection: redis.Redis, queue: str) -> None:
        self._redis = connection
        self._keys = Keys(queue)
        self._apart = Store(connection, queue)
        self.edits = Edits(connection, queue)
        """Edits its jobs."""
        names = ("replay", "discard", "versions")
        self._replay, self._discard, self._versions = (script(connection, name) for name in names)

    def ids(self) -> list[str]:
        """Return the ids of all failed jobs."""
        return [text(job_id) for job_id in cast("list[bytes]", self._redis.zrange(self._keys.failed, 0, -1))]

    def all(self) -> Iterator[FailedJob]:
        """Yield all failed jobs, in no particular order."""
        return (detail.failure for detail in self.find(self.ids()))

    def find(self, ids: Sequence[str]) -> Iterator[Detail]:
        """Yield the jobs with these ids that are in the registry."""
        return (detail for score, detail in self._details(ids) if score is not None)

    def versions(self, ids: Sequence[str]) -> dict[str, bytes]:
        """Return for each id a text that is another one as soon as anything of the failed job has changed."""
        return {
            job_id: version
            for chunk in _chunks(ids, _VERSIONS)
            for job_id, version in zip(chunk, self._versions(args=[*map(raw, chunk)]), strict=True)
        }

    def read(self, ids: Sequence[str]) -> Iterator[Detail]:
        """Yield the jobs with these ids, wherever they are."""
        return (detail for _, detail in self._details(ids))

    def replay(self, ids: Sequence[str]) -> Replayed:
        """Put the jobs at the end of the queue, each in one step. Concurrent calls replay a job only once."""
        outcomes = Replayed([], [], [])
        keys = [self._keys.failed, self._keys.queue, QUEUES]
        for chunk in _chunks(list(dict.fromkeys(ids))):
            now = timestamp()
            answer = self._replay(keys=keys, args=[self._keys.name, now, *map(raw, chunk)])
            for job_id, code in zip(chunk, answer, strict=True):
                {1: outcomes.done, -1: outcomes.gone, 0: outcomes.absent}[code].append(job_id)
        return outcomes

    def discard(self, failures: Sequence[FailedJob], why: str) -> list[FailedJob]:
        """Delete the jobs for good. Return those that were still in the registry.

        An entry without personal data is kept for each, with the reason ``why``.
        """
        return [failure for chunk in _chunks(failures) for failure in self._discard_all(chunk, why)]

    def apart(self, company: str | None = None) -> list[tuple[Kind, Group, int]]:
        """Return the kinds that wait apart (of that company), with their groups and numbers of events."""
        groups = self._apart.groups().items()
        return [
            (kind, group, self._apart.count(kind))
            for kind, group in groups
            if company in {None, kind.company_id}
        ]

    def lists_apart(self) -> list[bytes]:
        """Return the keys of the queues of events that wait apart."""
        return [raw(self._apart.list_of(kind)) for kind in self._apart.groups()]

    def discarded(self) -> Iterator[dict[str, str]]:
        """Yield the discarded events, newest first: id, event_type, company_id, error, reason, why, at."""
        entries = cast("list[tuple[bytes, dict[bytes, bytes]]]", self._redis.xrevrange(self._keys.discarded))
        for _, entry in entries:
            yield {text(name): text(value) for name, value in entry.items()}

    def _discard_all(self, failures: Sequence[FailedJob], why: str) -> list[FailedJob]:
        keys = [self._keys.failed, self._keys.discarded]
        with self._redis.pipeline(transaction=False) as pipeline:
            for failure in failures:
                note = _note(failure, why)
                self._discard(keys=keys, args=[raw(failure.job_id), KEPT, *note], client=pipeline)
            codes = pipeline.execute()
        return [failure for failure, code in zip(failures, codes, strict=True) if code]

    def _details(self, ids: Sequence[str]) -> Iterator[tuple[float | None, Detail]]:
        """Yield each job with its score in the registry."""
        for chunk in _chunks(ids):
            for job_id, (score, *replies) in zip(chunk, self._read(chunk), strict=True):
                yield score, read(job_id, *replies)

    def _read(self, ids: Sequence[str]) -> Iterator[list[Any]]:
        """Yield for each id its score, its key's type, its fields, and its results, newest first."""
        pipeline = self._redis.pipeline(transaction=False)
        for job_id, is_large in zip(ids, exceed(self._redis, ids, LARGEST), strict=True):
            pipeline.zscore(self._keys.failed, raw(job_id))
            pipeline.type(job_key(job_id))
            pipeline.hmget(job_key(job_id), *(("-", *FIELDS[1:]) if is_large else FIELDS))
            pipeline.xrevrange(results_key(job_id), count=_RESULTS)
        replies = [readable(reply) for reply in pipeline.execute(raise_on_error=False)]
        return (replies[index : index + 4] for index in range(0, len(replies), 4))


def _note(failure: FailedJob, why: str) -> list[str]:
    note = {
        **{"id": failure.job_id, "event_type": failure.event_type, "company_id": failure.company},
        **{"error": failure.reason.error, "reason": failure.reason.words, "why": mask_text(why)},
        "at": datetime.now(UTC).isoformat(timespec="milliseconds"),
    }
    return [text for name, value in note.items() for text in (name, printable(value or ""))]


def exceed(connection: redis.Redis, ids: Sequence[str], size: int) -> list[bool]:
    """Return for each job whether its data has more bytes than that; its data is not read."""
    pipeline = connection.pipeline(transaction=False)
    for job_id in ids:
        pipeline.hstrlen(cast("str", job_key(job_id)), FIELDS[0])
    found = pipeline.execute(raise_on_error=False)
    return [isinstance(length, int) and length > size for length in found]


def readable(reply: Any) -> Any:
    """Return the reply, or None if its key has the wrong type; such a job must be shown as damaged."""
    if isinstance(reply, redis.ResponseError) and str(reply).startswith("WRONGTYPE"):
        return None
    if isinstance(reply, Exception):
        raise reply
    return reply


def _chunks(things: Sequence[_Thing], size: int = _CHUNK) -> Iterator[Sequence[_Thing]]:
    return (things[start : start + size] for start in range(0, len(things), size))
