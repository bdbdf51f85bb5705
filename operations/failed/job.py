"""Reads a failed job without RQ, so that jobs that RQ cannot read are shown too."""

import json
import zlib
from base64 import b64decode
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

from events.contracts import TYPES
from gateway.errors import OversizedJob
from gateway.masking import mask_text
from operations.failed import reason as reasons
from operations.failed.reason import Reason
from worker.unpacking import unpack

FIELDS = ("data", "created_at", "deaths", "failures")
"""The fields that are read from a job's hash."""

_LONGEST_COMPANY = 128  # characters, as in events.contracts
_LONGEST_TRACE = 200_000  # bytes
_DIGITS = 18  # of a count, at most
Results = Sequence[tuple[bytes, Mapping[bytes, bytes]]]
"""Entries of a job's stream of results, the newest first."""

_FAILED = {b"2", b"5"}  # rq.results.Result.Type


class FailedJob(NamedTuple):
    """A failed job, without personal data."""

    job_id: str
    reason: Reason
    event_type: str | None
    company_id: str | None
    failed_at: datetime | None
    failures: int
    """How often it failed."""

    @property
    def company(self) -> str | None:
        """The company's id for display. It is masked, because it may be a phone number."""
        return mask_text(self.company_id) if self.company_id else None

    def to_dict(self) -> dict[str, Any]:
        """Return a dict for JSON; times are in UTC, and None means unknown."""
        return {
            "id": self.job_id,
            "reason": self.reason.words,
            "error": self.reason.error,
            "event_type": self.event_type,
            "company_id": self.company,
            "failed_at": self.failed_at.isoformat(timespec="milliseconds") if self.failed_at else None,
            "failures": self.failures,
        }


class Detail(NamedTuple):
    """All that is known about a failed job."""

    failure: FailedJob
    cause: Sequence[str]
    """The technical cause behind the reason, line by line."""
    published_at: datetime | None
    occurred_at: datetime | None
    deaths: int
    """How often a worker died while it held only this job."""
    call: bytes
    """The job's call as JSON; empty if it is larger than any event. Personal data."""


def payload(call: bytes) -> Any:
    """Return the event that is the argument of the call, or None if there is none."""
    try:
        _, _, args, kwargs = json.loads(call)
        return args[0] if args else kwargs["payload"]
    except (ValueError, TypeError, KeyError, RecursionError):
        return None


def read(job_id: str, kind: bytes, fields: Sequence[bytes | None] | None, results: Results | None) -> Detail:
    """Build the job from the replies of Redis: its key's type, its fields, and its results, newest first."""
    data, created_at, deaths, failures = fields or [None] * len(FIELDS)
    call = _call(data or b"")
    event = payload(call)
    known: Mapping[str, Any] = event if isinstance(event, dict) else {}
    failed = _failures(results)
    failure = FailedJob(
        job_id,
        reason(failed, event) if kind == b"hash" else reasons.GONE,
        _known_type(known.get("type")),
        _company(known.get("company_id")),
        _instant(failed[0][0]) if failed else None,
        max(1, _number(failures) + len(failed)),
    )
    return Detail(
        failure,
        reasons.cause(_trace(failed), event),
        _time((created_at or b"").decode(errors="replace")),
        _time(known.get("occurred_at")),
        _number(deaths),
        call,
    )


def reason(results: Results, event: Any = None) -> Reason:
    """Return why a job failed last. The results are newest first; private texts of the event are masked."""
    trace = _trace(_failures(results))
    return Reason.of(trace, event) if trace.strip() else reasons.UNKNOWN


def _call(data: bytes) -> bytes:
    try:
        return unpack(data)
    except OversizedJob:
        return b""


def _failures(results: Results | None) -> Results:
    return [(instant, result) for instant, result in results or [] if result.get(b"type") in _FAILED]


def _trace(failures: Results) -> str:
    return trace_of(failures[0][1]) if failures else ""


def trace_of(result: Mapping[bytes, bytes]) -> str:
    """Return the text of a failure; empty if there is none. Personal data."""
    # As in rq.results.Result.restore.
    try:
        packed = b64decode(result[b"exc_string"])
        return zlib.decompressobj().decompress(packed, _LONGEST_TRACE).decode(errors="replace")
    except (LookupError, ValueError, zlib.error):
        return ""


def _known_type(value: Any) -> str | None:
    return value if isinstance(value, str) and value in TYPES else None


def _company(value: Any) -> str | None:
    return value if isinstance(value, str) and len(value) <= _LONGEST_COMPANY else None


def _instant(stream_id: bytes) -> datetime | None:
    try:
        return datetime.fromtimestamp(int(stream_id.partition(b"-")[0]) / 1000, UTC)
    except (ValueError, OverflowError, OSError):  # an id chosen by another program, beyond all valid dates
        return None


def _time(text: Any) -> datetime | None:
    try:
        return datetime.fromisoformat(text).astimezone(UTC)
    except (TypeError, ValueError, OverflowError):
        return None


def _number(text: bytes | None) -> int:
    return int(text) if text and text.isdigit() and len(text) <= _DIGITS else 0
