"""A failed job, read as far as it can be, and without RQ: one that RQ cannot read is read too."""

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
"""What is asked of a job's hash."""

_LONGEST_COMPANY = 128  # characters, as events.contracts
_LONGEST_TRACE = 200_000  # bytes
_DIGITS = 18  # of a count
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
        """As people see it: a phone number may stand in its place."""
        return mask_text(self.company_id) if self.company_id else None

    def to_dict(self) -> dict[str, Any]:
        """As JSON knows it; a time is in UTC, and null is what is not known."""
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
    """All that is known of a failed job."""

    failure: FailedJob
    cause: Sequence[str]
    """What stands behind the reason, line by line."""
    published_at: datetime | None
    occurred_at: datetime | None
    deaths: int
    """How often a worker died with it alone in hand."""
    call: bytes
    """The job's call as it was published: personal data. Empty where it is larger than any event."""


def payload(call: bytes) -> Any:
    """The event that the call was made with, or None where there is none to be found."""
    try:
        _, _, args, kwargs = json.loads(call)
        return args[0] if args else kwargs["payload"]
    except (ValueError, TypeError, KeyError, RecursionError):
        return None


def read(job_id: str, kind: bytes, fields: Sequence[bytes | None] | None, results: Results | None) -> Detail:
    """The job from what Redis answers: its key's type, its fields, its results, the newest first."""
    data, created_at, deaths, failures = fields or [None] * len(FIELDS)
    call = _call(data or b"")
    event = payload(call)
    known: Mapping[str, Any] = event if isinstance(event, dict) else {}
    told = _failures(results)
    failure = FailedJob(
        job_id,
        reason(told, event) if kind == b"hash" else reasons.GONE,
        _known_type(known.get("type")),
        _company(known.get("company_id")),
        _instant(told[0][0]) if told else None,
        max(1, _number(failures) + len(told)),
    )
    return Detail(
        failure,
        reasons.cause(_trace(told), event),
        _time((created_at or b"").decode(errors="replace")),
        _time(known.get("occurred_at")),
        _number(deaths),
        call,
    )


def reason(results: Results, event: Any = None) -> Reason:
    """Why a job failed last: its results, the newest first, and the event, which is not to be quoted."""
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
    # As rq.results.Result.restore.
    try:
        packed = b64decode(failures[0][1][b"exc_string"])
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
    except (ValueError, OverflowError, OSError):  # an id that somebody chose: no year that there is
        return None


def _time(text: Any) -> datetime | None:
    try:
        return datetime.fromisoformat(text).astimezone(UTC)
    except (TypeError, ValueError, OverflowError):
        return None


def _number(text: bytes | None) -> int:
    return int(text) if text and text.isdigit() and len(text) <= _DIGITS else 0
