"""Edits jobs in RQ's failed registry, and keeps a note of the old values."""

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from itertools import chain
from typing import Any, NamedTuple, cast

import redis
from pydantic import TypeAdapter, ValidationError

from events import AnyEvent
from events.publishing.call import Call
from events.publishing.keys import QUEUES, Keys, job_key, raw, timestamp
from gateway.errors import OversizedJob
from gateway.hints import word
from gateway.letters import printable
from operations.errors import EditRefused
from operations.failed.correction import Change, correct
from worker.control import none_if_wrong_type
from worker.scripts import script
from worker.unpacking import unpack

KEPT = 10_000
"""The approximate number of notes that are kept."""

_PROBLEMS = {
    0: "is not in the failed registry",
    -1: (
        "its job no longer exists in Redis: remove it from the list with "
        "`botlive failures discard --why TEXT -- {id}`"
    ),
    -2: "somebody else has just edited it: see the result with `botlive failures show -- {id}`",
}
"""By the code that ``edit.lua`` returns."""


class Note(NamedTuple):
    """The record of one edit."""

    at: str
    """The time in UTC, ISO 8601."""
    fields: list[str]
    before: str
    """The old values by field, as JSON. Personal data."""


class Edits:
    """Edits the failed jobs of one queue."""

    def __init__(self, connection: redis.Redis, queue: str) -> None:
        self._redis = connection
        self._keys = Keys(queue)
        self._edit = script(connection, "edit", "replay")

    def edit(self, job_id: str, changes: Sequence[Change]) -> AnyEvent:
        """Correct an event and replay it, in one step. Return the corrected event.

        Raises:
            EditRefused: it is not in the failed registry, or cannot be changed in this way.
        """
        data = self._data(job_id)
        event, before = correct(_call(job_id, data), changes)
        now = datetime.now(UTC)
        note: dict[str, str | bytes] = {
            "id": raw(job_id),
            "at": now.isoformat(timespec="seconds"),
            "fields": json.dumps([change.shown for change in changes]),
            "before": json.dumps(before),
        }
        (code,) = self._edit(
            keys=[self._keys.failed, self._keys.queue, QUEUES, self._keys.edited],
            args=[
                *(self._keys.name, timestamp(), raw(job_id)),
                *(data, Call.of(event).data, KEPT),
                *chain.from_iterable(note.items()),
            ],
        )
        if code != 1:
            raise _refused(job_id, code)
        return event

    def notes(self, job_id: str) -> list[Note]:
        """Return the notes of this job, the oldest first."""
        entries: Any = none_if_wrong_type(lambda: self._redis.xrange(self._keys.edited)) or []
        return [_note(fields) for _, fields in entries if fields.get(b"id") == raw(job_id)]

    def _data(self, job_id: str) -> bytes:
        """Read the job's data as stored; it may be compressed."""
        if self._redis.zscore(self._keys.failed, raw(job_id)) is None:
            raise _refused(job_id, 0)
        try:
            return cast("bytes | None", self._redis.hget(cast("str", job_key(job_id)), "data")) or b""
        except redis.ResponseError:  # the key is not a hash
            raise _refused(job_id, -1) from None


def _note(fields: Mapping[bytes, bytes]) -> Note:
    """Read a note; unreadable parts are replaced, because other programs may write to Redis too."""
    at, before = (fields.get(name, b"").decode(errors="replace") for name in (b"at", b"before"))
    try:
        names = TypeAdapter(list[str]).validate_json(fields.get(b"fields", b""))
    except ValidationError:
        names = ["?"]
    return Note(printable(at), names, before)


def _call(job_id: str, data: bytes) -> bytes:
    try:
        return unpack(data)
    except OversizedJob:
        raise EditRefused(
            f"{printable(job_id)}: the job is larger than any event: it cannot be edited, discard it"
        ) from None


def _refused(job_id: str, code: int) -> EditRefused:
    return EditRefused(f"{printable(job_id)}: {_PROBLEMS[code].format(id=word(job_id))}")
