"""Erases a customer's data from the jobs of a queue, in every state, and from the notes of edits."""

import time
import zlib
from base64 import b64encode
from collections.abc import Collection, Iterable, Iterator
from itertools import islice
from typing import Any, NamedTuple, cast

import redis

from events.publishing.keys import JOB, Keys, job_key, raw, results_key, text
from gateway.errors import OversizedJob
from gateway.masking import mask_text
from operations.erasure.event import is_of, without_person
from operations.failed.job import payload, trace_of
from operations.failed.reason import without_private
from operations.failed.registry import exceed, readable
from worker.control import none_if_wrong_type
from worker.scripts import script
from worker.unpacking import LARGEST, unpack

_CHUNK = 100  # jobs in one round trip; each may have a megabyte
_PATIENCE = 30.0  # seconds for workers to finish the customer's events
_PAUSE = 0.2  # seconds
_UUID = 36  # letters
_CHANGED = -2
"""What ``erase.lua`` returns if the job was changed in the meantime."""

_PLACES = {b"failed": "failed", b"started": "claimed"}


class FoundJob(NamedTuple):
    """A job of the customer, or one that is too large to be read."""

    job_id: str
    place: str
    """waiting, claimed or failed; ``oversized`` if it was not read."""


class Jobs:
    """The jobs of one queue that belong to one customer."""

    def __init__(self, connection: redis.Redis, queue: str, person: str) -> None:
        self._redis = connection
        self._keys = Keys(queue)
        self._person = person
        self._erase = script(connection, "erase")

    def erase(self, *, dry_run: bool) -> Iterator[FoundJob]:
        """Find the customer's jobs, and erase them unless it is a dry run.

        A scan by key finds each job, also one that moves between the queue's lists in the meantime.
        """
        keys = cast("Iterator[bytes]", self._redis.scan_iter(match=f"{JOB}*", count=1_000))
        while chunk := list(islice(keys, _CHUNK)):
            yield from self._visit([text(key).removeprefix(JOB) for key in chunk], dry_run)

    def settle(self, claimed: Collection[str]) -> list[str]:
        """Wait until no worker holds these jobs, and erase them again. Return those that are still held.

        A worker that has read a job before the erasure writes it back when the job fails.
        """
        deadline = time.monotonic() + _PATIENCE
        held = [*claimed]
        while True:
            list(self._visit(held, dry_run=False))
            held = [job_id for job_id in held if self._redis.hget(_key(job_id), "status") == b"started"]
            if not held or time.monotonic() > deadline:
                return held
            time.sleep(_PAUSE)

    def erase_notes(self, ids: Collection[str], *, dry_run: bool) -> int:
        """Delete the notes of edits of events with these ids. Return their number."""
        mine = {job_id[:_UUID] for job_id in ids}
        entries: Any = none_if_wrong_type(lambda: self._redis.xrange(self._keys.edited)) or []
        found = [
            number
            for number, fields in entries
            if text(fields.get(b"id", b""))[:_UUID] in mine or raw(self._person) in fields.get(b"before", b"")
        ]
        if found and not dry_run:
            self._redis.xdel(self._keys.edited, *found)
        return len(found)

    def _visit(self, ids: Iterable[str], dry_run: bool) -> Iterator[FoundJob]:
        for job_id, data, status in self._read([*ids]):
            try:
                call = unpack(data) if data is not None else b""
            except OversizedJob:
                call = None
            if call is None:
                yield FoundJob(job_id, "oversized")
            elif is_of(self._person, call):
                if not dry_run:
                    self._erase_one(job_id)
                yield FoundJob(job_id, _PLACES.get(status or b"", "waiting"))

    def _read(self, ids: list[str]) -> Iterator[tuple[str, bytes | None, bytes | None]]:
        """Yield the id, the data and the status of each job of the queue."""
        pipeline = self._redis.pipeline(transaction=False)
        for job_id, is_large in zip(ids, exceed(self._redis, ids, LARGEST), strict=True):
            pipeline.hmget(_key(job_id), ["-" if is_large else "data", "status", "origin"])
        for job_id, reply in zip(ids, pipeline.execute(raise_on_error=False), strict=True):
            data, status, origin = readable(reply) or (None, None, b"")
            if origin is None or origin == raw(self._keys.name):
                yield job_id, data, status

    def _erase_one(self, job_id: str) -> None:
        """Erase one job; again if it was changed in the meantime, for example because it failed."""
        code = _CHANGED
        while code == _CHANGED:
            data = cast("bytes | None", self._redis.hget(_key(job_id), "data"))
            if data is None or not is_of(self._person, call := unpack(data)):
                return
            code = self._erase(
                keys=[job_key(job_id), results_key(job_id)],
                args=[data, without_person(self._person, call), *self._texts(job_id, call)],
            )

    def _texts(self, job_id: str, call: bytes) -> Iterator[bytes]:
        """Yield the ids of the job's results and their texts without the data of the event."""
        results: Any = self._redis.xrange(cast("str", results_key(job_id)))
        for number, fields in results:
            found = trace_of(fields)
            masked = mask_text(without_private(payload(call), found))
            if masked != found:
                yield from (number, b64encode(zlib.compress(masked.encode(errors="replace"))))


def _key(job_id: str) -> str:
    return cast("str", job_key(job_id))
