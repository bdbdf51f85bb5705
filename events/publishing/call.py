"""An event as the call of an RQ job, written without RQ.

The chat process need not carry RQ for this; ``tests/integration`` reads the jobs back with RQ
itself. Source: ``rq.job.Job.to_dict`` of RQ 3.0.
"""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
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
from events.publishing.keys import JOB, QUEUES, Keys, timestamp

FUNCTION = "worker.job.persist"
"""The one function that a job of ours may call."""

_DEEPEST = 20  # levels of an unchecked payload that are written
_MOST = 20_000  # values of one that are
_WIDEST = 1024  # bits of a whole number: more fit no double, and far more no JSON reader
_AS_TEXT = ("event_id", "occurred_at", "conversation_id")  # whose values have a text of their own in JSON
_GIVEN = "given"  # no field of a contract: an identity that the payload names otherwise is refused
_TOO_MUCH = "left out: the payload is too deep or too large"


@dataclass(frozen=True, slots=True)
class Call:
    """An event as the call that its job makes."""

    event_id: UUID
    data: str
    """The call as RQ's JSON serializer writes it: function, instance, arguments."""
    fingerprint: str
    """Of the whole call: tells two events apart that are published under one id. The job's hash keeps it."""
    description: str

    @classmethod
    def of(cls, event: Event) -> "Call":
        """The call that persists the event."""
        content = event.digest() if event.key is not None else None
        return cls._of(event.event_id, event.model_dump_json(exclude_none=True), event.type, content)

    @classmethod
    def unchecked(cls, event_id: UUID | None, event_type: str, payload: Mapping[str, Any]) -> "Call":
        """The call with which a worker will refuse a payload that fits no contract, and say why."""
        plain = _Plain().of(payload)
        made = id_of_payload(event_type, plain)
        event_id = event_id or made or clock.new_id()
        identity = {"event_id": str(event_id), "type": event_type, "version": 1}
        strays = {name: plain[name] for name in identity if plain.get(name, identity[name]) != identity[name]}
        argument = {
            "occurred_at": str(clock.now()),
            **plain,
            **identity,
            **({_GIVEN: strays} if strays else {}),
        }
        description = event_type if event_type in TYPES else "event"
        content = _sha256(json.dumps({**argument, "occurred_at": None})) if event_id == made else None
        return cls._of(event_id, json.dumps(argument), description, content)

    @classmethod
    def _of(cls, event_id: UUID, argument: str, description: str, content: str | None) -> "Call":
        """With its content's digest where that is not the digest of all that is written of it."""
        data = f'["{FUNCTION}",null,[{argument}],{{}}]'
        return cls(event_id, data, (content or _sha256(data))[:16], description)

    def arguments(self, keys: Keys, job_id: str) -> list[str]:
        """The keys and values that ``publish.lua`` takes, but for the publisher's counter and its count."""
        taken = [f"{JOB}{job_id}", keys.queue, QUEUES, keys.failed]
        # With the fingerprint seven fields: an eighth would cost Redis another 130 bytes an event. What is
        # left out (timeout, result_ttl, enqueued_at) has defaults in RQ. The description is what rq-dashboard
        # and RQ's own log lines show: never the arguments.
        return [
            *(*taken, job_id, self.fingerprint),
            *("data", self.data),
            *("origin", keys.name),
            *("status", "queued"),
            *("failure_ttl", "-1"),
            *("description", self.description),
            *("created_at", timestamp()),
        ]

    @property
    def own_id(self) -> str:
        """The job's id: the event's id."""
        return str(self.event_id)

    @property
    def contested_id(self) -> str:
        """The job's id where another event waits under the same id: both must reach the worker."""
        return f"{self.event_id}-{self.fingerprint}"


def _sha256(text: str) -> str:
    return sha256(text.encode()).hexdigest()


class _Plain:
    """Makes one payload such as JSON knows it, whatever it holds and however deep, and never raises.

    What JSON does not know is described in an object, which no field of a contract takes: it must be
    refused by its name and not be persisted as a text that nobody wrote.
    """

    def __init__(self) -> None:
        self._left = _MOST

    def of(self, value: Any, depth: int = 0) -> Any:
        self._left -= 1
        if depth > _DEEPEST or self._left < 0:
            return _not_json(_TOO_MUCH)
        try:
            return self._container(value, depth + 1)
        except Exception:  # noqa: BLE001 - the value's own methods may raise anything
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
    # The digits of a huge number would be more than Python writes.
    return _not_json(hex(value) if isinstance(value, int) else ascii(value))


def _not_json(description: str) -> dict[str, str]:
    return {"not JSON": description[:LONGEST_TEXT]}


def _key(key: Any) -> str:
    return key if isinstance(key, str) and _is_unicode(key) else f"<{key!a}>"


def _is_unicode(text: str) -> bool:
    """Whether it holds no half of a surrogate pair: JSON could carry one, its readers refuse it."""
    return text.encode("utf-8", "ignore").decode() == text
