"""Parses JSON into an event. An error names the field and never contains the value."""

import json
import re
from collections.abc import Iterable, Sequence
from typing import Any

from pydantic import TypeAdapter, ValidationError
from pydantic_core import ErrorDetails

from events.contracts import AnyEvent
from events.errors import InvalidEvent

_adapter: TypeAdapter[AnyEvent] = TypeAdapter(AnyEvent)

_WHOLE = {  # errors of the whole text: field and problem
    "json_invalid": ("json", "is not valid JSON"),
    "dict_type": ("json", "is not a JSON object"),
    "model_attributes_type": ("json", "is not a JSON object"),
    "union_tag_not_found": ("type", "is missing"),
    "union_tag_invalid": ("type", "is not a known event type"),
}
_PLAIN = {  # replaces messages of pydantic that quote a part of the value or do not say what to write
    "datetime_from_date_parsing": "must be a date and time with a zone (ISO 8601)",
    "datetime_parsing": "must be a date and time with a zone (ISO 8601)",
    "timezone_aware": "must have a time zone, such as Z for UTC",
    "extra_forbidden": "is not a field of this event",
}
_OWN = {"event_id_of_key": ("event_id", "is not the one that its key makes: leave it out")}
_MOST_FIELDS = 64  # in one object; every contract has fewer
_SUSPICIOUS = 5_000  # colons: a text with more of them is checked first
_FIELD_NAME = re.compile(r"[a-z_]{1,40}", re.IGNORECASE)


def parse_event(text: str | bytes) -> AnyEvent:
    """Parse one event from a JSON object.

    Raises:
        InvalidEvent: the text does not fit a contract.
    """
    _must_be_narrow(text)
    try:
        return _adapter.validate_json(text)
    except ValidationError as error:
        raise _invalid(error.errors(include_url=False, include_input=False)) from None


def _must_be_narrow(text: str | bytes) -> None:
    """Refuse an object with too many fields early, because pydantic would create an error for each."""
    colons = text.count(":") if isinstance(text, str) else text.count(b":")
    if colons <= _SUSPICIOUS:
        return
    try:
        json.loads(text, object_pairs_hook=_narrow)
    except InvalidEvent:
        raise
    except (ValueError, RecursionError):
        return  # pydantic refuses it, with a better message


def _narrow(fields: list[tuple[str, Any]]) -> None:
    if len(fields) > _MOST_FIELDS:
        raise InvalidEvent("json", f"has an object of more than {_MOST_FIELDS} fields")


def _invalid(details: Sequence[ErrorDetails]) -> InvalidEvent:
    # A newer version may have other fields, so the version is the more useful error.
    newer_version = [detail for detail in details if detail["type"] == "version_newer"]
    is_newer = bool(newer_version) or all(map(_is_unknown, details))
    return InvalidEvent(*_field_and_problem((newer_version or details)[0]), is_newer=is_newer)


def _is_unknown(detail: ErrorDetails) -> bool:
    """Return whether the error is an unknown type or field whose name looks like one of ours."""
    match detail["type"]:
        case "union_tag_invalid":
            name = detail["ctx"]["tag"]
        case "extra_forbidden":
            name = detail["loc"][-1]
        case _:
            return False
    return _FIELD_NAME.fullmatch(str(name)) is not None


def _field_and_problem(detail: ErrorDetails) -> tuple[str, str]:
    if not detail["loc"] and detail["type"] in _WHOLE:
        return _WHOLE[detail["type"]]
    if detail["type"] in _OWN:
        return _OWN[detail["type"]]
    problem = _PLAIN.get(detail["type"]) or detail["msg"].replace("Input should", "should")
    return shown(detail["loc"][1:]), problem[:1].lower() + problem[1:]


def shown(location: Iterable[int | str]) -> str:
    """Return the path of a field as text for errors and logs.

    The sender chose the name of an unknown field, and it may hold personal data. A name that does not look
    like a field's name is therefore shown as ``?``.
    """
    return ".".join(
        str(part) if isinstance(part, int) or _FIELD_NAME.fullmatch(part) else "?" for part in location
    )
