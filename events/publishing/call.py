"""Writes an event as the function call of an RQ job, without RQ.

The chat process therefore does not need RQ. ``tests/integration`` reads the jobs with RQ itself. Source:
``rq.job.Job.to_dict`` of RQ 3.0.
"""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from hashlib import sha256
from typing import Any
from uuid import UUID

from pydantic import BaseModel

from events import clock
from events.contracts import TYPES, Event
from events.fields import LONGEST_TEXT
from events.identity import id_of_payload
from events.publishing import tracing
from events.publishing.keys import JOB, QUEUES, Keys, timestamp

FUNCTION = "worker.job.persist"
"""The only function that our jobs call."""

_DEEPEST = 20  # levels of an unchecked payload that are kept
_MOST = 20_000  # values of an unchecked payload that are kept
_WIDEST = 1024  # bits of an int; a wider one fits no double
_AS_TEXT = ("event_id", "occurred_at", "conversation_id")  # fields whose UUID or datetime becomes text
_GIVEN = (
    "given"  # no contract has this field, so a payload with a contradicting id, type or version is refused
)
_TOO_MUCH = "left out: the payload is too deep or too large"


@dataclass(frozen=True, slots=True)
class Call:
    """An event as the function call of its job."""

    event_id: UUID
    data: str
    """The call in the format of RQ's JSON serializer: function, instance, arguments, keyword arguments."""
    fingerprint: str
    """A hash of the call, which tells apart two events with the same id. It is stored in the job's hash."""
    description: str
    trace: tuple[str, ...] = field(default=(), compare=False)
    """Names and values for the job's hash: the caller's trace context. It is no part of the fingerprint."""

    @classmethod
    def of(cls, event: Event) -> "Call":
        """Return the call that persists the event."""
        content = event.digest() if event.key is not None else None
        return cls._of(event.event_id, event.model_dump_json(exclude_none=True), event.type, content)

    @classmethod
    def unchecked(cls, event_id: UUID | None, event_type: str, payload: Mapping[str, Any]) -> "Call":
        """Return the call for a payload that fits no contract. A worker will refuse it and record why."""
        values = _JsonValues().of(payload)
        made = id_of_payload(event_type, values)
        event_id = event_id or made or clock.new_id()
        identity = {"event_id": str(event_id), "type": event_type, "version": 1}
        given = {
            name: values[name] for name in identity if values.get(name, identity[name]) != identity[name]
        }
        argument = {
            "occurred_at": str(clock.now()),
            **values,
            **identity,
            **({_GIVEN: given} if given else {}),
        }
        description = event_type if event_type in TYPES else "event"
        content = _sha256(json.dumps({**argument, "occurred_at": None})) if event_id == made else None
        return cls._of(event_id, json.dumps(argument), description, content)

    @classmethod
    def _of(cls, event_id: UUID, argument: str, description: str, content: str | None) -> "Call":
        """Create the call. ``content`` is the digest of the event if it is not the hash of the whole data."""
        data = f'["{FUNCTION}",null,[{argument}],{{}}]'
        return cls(event_id, data, (content or _sha256(data))[:16], description, tracing.fields())

    def arguments(self, keys: Keys, job_id: str) -> list[str]:
        """Return the arguments of ``publish.lua``, except the publisher's counter and its confirmed count."""
        taken = [f"{JOB}{job_id}", keys.queue, QUEUES, keys.failed]
        # The fingerprint and six fields of RQ: an eighth field would cost Redis 130 more bytes per event. The
        # missing ones (timeout, result_ttl, enqueued_at) have defaults in RQ. rq-dashboard and RQ's log lines
        # show the description, so it must not contain the arguments. Only the caller's trace adds fields.
        return [
            *(*taken, job_id, self.fingerprint),
            *("data", self.data),
            *("origin", keys.name),
            *("status", "queued"),
            *("failure_ttl", "-1"),
            *("description", self.description),
            *("created_at", timestamp()),
            *self.trace,
        ]

    @property
    def own_id(self) -> str:
        """The id of the job, which is the id of the event."""
        return str(self.event_id)

    @property
    def contested_id(self) -> str:
        """The id of the job if another event already has the same id: a worker must get both."""
        return f"{self.event_id}-{self.fingerprint}"


def _sha256(text: str) -> str:
    return sha256(text.encode()).hexdigest()


class _JsonValues:
    """Converts one payload of any content and depth to JSON values. It never raises.

    A value that JSON cannot express becomes an object that describes it. No field of a contract accepts an
    object like this, so a worker refuses the field by its name instead of persisting an invented text.
    """

    def __init__(self) -> None:
        self._left = _MOST

    def of(self, value: Any, depth: int = 0) -> Any:
        self._left -= 1
        if depth > _DEEPEST or self._left < 0:
            return _not_json(_TOO_MUCH)
        try:
            return self._container(value, depth + 1)
        except Exception:  # noqa: BLE001 # the methods of the value may raise anything
            return _not_json("left out: the value cannot be read")

    def _container(self, value: Any, depth: int) -> Any:
        match value:
            case Mapping() | list() | tuple() | set() | frozenset() if len(value) > self._left:
                return _not_json(_TOO_MUCH)
            case BaseModel():
                return self.of(value.model_dump(), depth)
            case Mapping():
                return {_key(key): self._under(key, element, depth) for key, element in value.items()}
            case list() | tuple() | set() | frozenset():
                return [self.of(element, depth) for element in value]
        return _scalar(value)

    def _under(self, key: Any, value: Any, depth: int) -> Any:
        is_text = depth == 1 and key in _AS_TEXT and isinstance(value, UUID | datetime)
        return str(value) if is_text else self.of(value, depth)


def _scalar(value: Any) -> Any:
    match value:
        case None | bool():
            return value
        case int() if value.bit_length() <= _WIDEST:
            return int(value)
        case float() | Decimal() if math.isfinite(double := float(value)):
            return int(double) if double.is_integer() else double
        case str() if len(value) <= LONGEST_TEXT and _is_unicode(value):
            return str(value)
    # Python refuses to convert a huge number to decimal digits.
    return _not_json(hex(value) if isinstance(value, int) else ascii(value))


def _not_json(description: str) -> dict[str, str]:
    return {"not JSON": description[:LONGEST_TEXT]}


def _key(key: Any) -> str:
    return key if isinstance(key, str) and _is_unicode(key) else f"<{key!a}>"


def _is_unicode(text: str) -> bool:
    """Return whether the text has no unpaired surrogate, which JSON parsers refuse."""
    return text.encode("utf-8", "ignore").decode() == text
