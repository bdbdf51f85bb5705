"""Corrects the fields of a failed event. The result always fits its contract. Pure: no I/O."""

import json
import re
from collections.abc import Sequence
from typing import Any, NamedTuple

from events import AnyEvent, InvalidEvent, parse_event
from events.publishing.call import FUNCTION
from gateway.letters import printable
from gateway.masking import mask_text
from operations.errors import EditRefused
from operations.failed.job import payload

FIXED = frozenset({"event_id", "type", "version", "key"})
"""The fields of an event's identity, which an edit cannot change."""

_PLACE = re.compile(r"\d{1,9}")  # bounded, because Python refuses to convert thousands of digits
_IDENTITY = ("event_id", "occurred_at")


class Change(NamedTuple):
    """A change of one field: its new value, or its removal."""

    path: str
    """The field's name, or a path such as ``items.0.price``."""
    value: Any = None
    is_removal: bool = False

    @property
    def shown(self) -> str:
        """The path with personal data masked: somebody may have typed a value in its place."""
        return mask_text(printable(self.path))

    @classmethod
    def of(cls, assignment: str) -> "Change":
        """Parse an assignment such as ``amount=12000``; a value that is not JSON is read as text.

        Raises:
            EditRefused: it is not an assignment, or not valid Unicode.
        """
        path, equals, text = assignment.partition("=")
        if not equals or not path:
            raise EditRefused("--set needs FIELD=VALUE, such as amount=12000")
        if any("\ud800" <= letter <= "\udfff" for letter in assignment):
            raise EditRefused("--set: the value is not UTF-8")
        return cls(path, _value(text))


class Correction(NamedTuple):
    """The corrected event, and the old values."""

    event: AnyEvent
    before: dict[str, Any]
    """The old values by their paths, without fields that did not exist. Personal data."""


def correct(call: bytes, changes: Sequence[Change]) -> Correction:
    """Apply the changes to the event in a job's call.

    Raises:
        EditRefused: a change is not possible; the message names the field and never quotes a value.
    """
    fields, original = _fields(call), _fields(call)
    for change in changes:
        if change.path.partition(".")[0] in FIXED:
            raise EditRefused(f"{change.shown}: is part of the event's identity and cannot be changed")
        _apply(change, fields)
    before = {change.path: old for change in changes for old in _found(change.path, original)}
    try:
        return Correction(parse_event(json.dumps(fields)), before)
    except InvalidEvent as error:
        newer = "; if a newer release made the event, upgrade and replay it instead" if error.is_newer else ""
        raise EditRefused(f"not edited: the event would not fit its contract: {error}{newer}") from None


def _fields(call: bytes) -> dict[str, Any]:
    fields = payload(call)
    if not isinstance(fields, dict) or not all(fields.get(name) for name in _IDENTITY) or not _is_ours(call):
        raise EditRefused("its job has no event with an id and a time: it cannot be edited, discard it")
    return fields


def _is_ours(call: bytes) -> bool:
    return bool(json.loads(call)[0] == FUNCTION)


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text


def _apply(change: Change, fields: dict[str, Any]) -> None:
    *way, last = _steps(change.path)
    try:
        place = _walk(fields, way)
        if change.is_removal:
            del place[last]
        else:
            place[last] = change.value
    except (LookupError, TypeError):
        raise EditRefused(f"{change.shown}: the event has no such field") from None


def _found(path: str, fields: dict[str, Any]) -> list[Any]:
    """Return a list with the value at the path, or an empty list."""
    try:
        return [_walk(fields, _steps(path))]
    except (LookupError, TypeError):
        return []


def _steps(path: str) -> list[str | int]:
    return [int(part) if _PLACE.fullmatch(part) else part for part in path.split(".")]


def _walk(place: Any, steps: Sequence[str | int]) -> Any:
    for step in steps:
        place = place[step]
    return place
