"""An event that failed, with some of its fields set anew: only what fits the contract comes out. Pure."""

import json
import re
from collections.abc import Sequence
from typing import Any, NamedTuple

from events import AnyEvent, InvalidEvent, parse_event
from events.publishing.call import FUNCTION
from gateway.errors import EditRefused
from gateway.letters import plain
from gateway.masking import mask_text
from operations.failed.job import payload

FIXED = frozenset({"event_id", "type", "version", "key"})
"""What tells which event it is, and what an edit leaves alone."""

_PLACE = re.compile(r"\d{1,9}")  # Python makes no number of thousands of digits
_IDENTITY = ("event_id", "occurred_at")


class Change(NamedTuple):
    """One field and its new value."""

    path: str
    """Its name; of an item's field such as ``items.0.price``."""
    value: Any = None
    is_removal: bool = False

    @property
    def shown(self) -> str:
        """The path as it may be shown: whoever wrote a value in its place is not quoted."""
        return mask_text(plain(self.path))

    @classmethod
    def of(cls, assignment: str) -> "Change":
        """From ``amount=12000``: the value is JSON where it is such, else it is text.

        Raises:
            EditRefused: that is no assignment, or no Unicode.
        """
        path, equals, text = assignment.partition("=")
        if not equals or not path:
            raise EditRefused("--set wants FIELD=VALUE, such as amount=12000")
        if any("\ud800" <= letter <= "\udfff" for letter in assignment):
            raise EditRefused("--set: the value is not UTF-8")
        return cls(path, _value(text))


class Correction(NamedTuple):
    """The event as it is to be, and what it was."""

    event: AnyEvent
    before: dict[str, Any]
    """The old values by their paths; one that was not there is left out. Personal data."""


def correct(call: bytes, changes: Sequence[Change]) -> Correction:
    """The event of a job's call, changed.

    Raises:
        EditRefused: it cannot be changed so; the message names the field and never quotes a value.
    """
    fields, original = _fields(call), _fields(call)
    for change in changes:
        if change.path.partition(".")[0] in FIXED:
            raise EditRefused(f"{change.shown}: says which event it is, and cannot be changed")
        _apply(change, fields)
    before = {change.path: old for change in changes for old in _found(change.path, original)}
    try:
        return Correction(parse_event(json.dumps(fields)), before)
    except InvalidEvent as error:
        newer = "; if a newer release made the event, upgrade and replay it instead" if error.is_newer else ""
        raise EditRefused(f"not edited, it would not fit its contract: {error}{newer}") from None


def _fields(call: bytes) -> dict[str, Any]:
    fields = payload(call)
    if not isinstance(fields, dict) or not all(fields.get(name) for name in _IDENTITY) or not _is_ours(call):
        raise EditRefused("its job is no event with an id and a time: it cannot be edited, discard it")
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
        raise EditRefused(f"{change.shown}: there is no such place in the event") from None


def _found(path: str, fields: dict[str, Any]) -> list[Any]:
    """The value at the path, if there is one."""
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
