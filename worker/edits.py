"""Corrections of what stands in RQ's failed registry, each with a note of what was there before."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.resources import files
from itertools import chain
from typing import Any, NamedTuple, cast

import redis

from events import AnyEvent
from events.job import Call, Keys
from worker.claims import uncompressed
from worker.correction import Change, correct
from worker.errors import EditRefused
from worker.letters import plain

KEPT = 10_000
"""Notes that are kept, about."""

_PROBLEMS = {
    0: "is not in the failed registry",
    -1: "its job is no more in Redis: `botlive failures discard` it",
    -2: "somebody else has edited it just now: look at it with `botlive failures show`",
}
"""By what ``edit.lua`` answers."""


class Note(NamedTuple):
    """What is kept of one edit."""

    at: str
    """In UTC, ISO 8601."""
    fields: list[str]
    before: str
    """The old values by their fields, as JSON: personal data."""


class Edits:
    """The edits of one queue's failed jobs."""

    def __init__(self, connection: redis.Redis, queue: str) -> None:
        self._redis = connection
        self._keys = Keys.of(queue)
        self._notes = f"botlive:edited:{queue}"
        parts = (
            files("worker").joinpath("lua", f"{name}.lua").read_text(encoding="utf-8")
            for name in ("edit", "replay")
        )
        self._edit = connection.register_script("\n".join(parts))

    def edit(self, job_id: str, changes: Sequence[Change]) -> AnyEvent:
        """Correct an event and replay it, in one step; the event as it is now.

        Raises:
            EditRefused: it does not stand there, or cannot be changed so; the message says why.
        """
        data = self._data(job_id)
        event, before = correct(uncompressed(data), changes)
        now = datetime.now(UTC)
        note: dict[str, str | bytes] = {
            "id": _raw(job_id),
            "at": now.isoformat(timespec="seconds"),
            "fields": json.dumps([change.shown for change in changes]),
            "before": json.dumps(before),
        }
        (code,) = self._edit(
            keys=[self._keys.failed, self._keys.queue, self._keys.queues, self._notes],
            args=[
                *(self._keys.name, now.strftime("%Y-%m-%dT%H:%M:%S.%fZ"), _raw(job_id)),
                *(data, Call.of(event).data, KEPT),
                *chain.from_iterable(note.items()),
            ],
        )
        if code != 1:
            raise _refused(job_id, code)
        return event

    def notes(self, job_id: str) -> list[Note]:
        """Those of this event, the oldest first."""
        entries = cast("list[tuple[bytes, dict[bytes, Any]]]", self._redis.xrange(self._notes))
        mine = [note for _, note in entries if note.get(b"id") == _raw(job_id)]
        return [
            Note(note[b"at"].decode(), json.loads(note[b"fields"]), note[b"before"].decode()) for note in mine
        ]

    def _data(self, job_id: str) -> bytes:
        """The job's call as it is written, which may be compressed."""
        raw = _raw(job_id)
        if self._redis.zscore(self._keys.failed, raw) is None:
            raise _refused(job_id, 0)
        try:
            return cast("bytes | None", self._redis.hget(cast("str", b"rq:job:" + raw), "data")) or b""
        except redis.ResponseError:  # something else than a hash stands there
            raise _refused(job_id, -1) from None


def _refused(job_id: str, code: int) -> EditRefused:
    return EditRefused(f"{plain(job_id)}: {_PROBLEMS[code]}")


def _raw(job_id: str) -> bytes:
    return job_id.encode(errors="surrogateescape")
