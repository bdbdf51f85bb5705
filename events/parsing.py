"""From JSON to an event, or to an error that names the field and never the value."""

import json
import re
from typing import Any

from pydantic import TypeAdapter, ValidationError
from pydantic_core import ErrorDetails

from events.contracts import AnyEvent
from events.errors import InvalidEvent

_adapter: TypeAdapter[AnyEvent] = TypeAdapter(AnyEvent)

_WHOLE = {  # errors of the text as a whole: field and problem
    "json_invalid": ("json", "is not valid JSON"),
    "dict_type": ("json", "is not a JSON object"),
    "model_attributes_type": ("json", "is not a JSON object"),
    "union_tag_not_found": ("type", "is missing"),
    "union_tag_invalid": ("type", "is not a known event type"),
}
_PLAIN = {  # problems for which pydantic's own words would quote a piece of the value
    "datetime_from_date_parsing": "must be a date and time with a zone (ISO 8601)",
    "datetime_parsing": "must be a date and time with a zone (ISO 8601)",
}
_OWN = {"event_id_of_key": ("event_id", "is not the one that its key makes: leave it out")}
_MOST_FIELDS = 64  # of one object: no contract has as many
_SUSPICIOUS = 5_000  # colons
_OURS = re.compile(r"[a-z_]{1,40}", re.IGNORECASE)


def parse_event(text: str | bytes) -> AnyEvent:
    """Read one event from a JSON object.

    Raises:
        InvalidEvent: the text does not fit the contract.
    """
    _must_be_narrow(text)
    try:
        return _adapter.validate_json(text)
    except ValidationError as error:
        raise _invalid(error.errors(include_url=False, include_input=False)[0]) from None


def _must_be_narrow(text: str | bytes) -> None:
    """Refuse an object of countless fields at once: pydantic would describe each of them."""
    colons = text.count(":") if isinstance(text, str) else text.count(b":")
    if colons <= _SUSPICIOUS:
        return
    try:
        json.loads(text, object_pairs_hook=_narrow)
    except InvalidEvent:
        raise
    except (ValueError, RecursionError):
        return  # it is pydantic's to refuse


def _narrow(fields: list[tuple[str, Any]]) -> None:
    if len(fields) > _MOST_FIELDS:
        raise InvalidEvent("json", f"has an object of more than {_MOST_FIELDS} fields")


def _invalid(detail: ErrorDetails) -> InvalidEvent:
    if not detail["loc"] and detail["type"] in _WHOLE:
        return InvalidEvent(*_WHOLE[detail["type"]])
    if detail["type"] in _OWN:
        return InvalidEvent(*_OWN[detail["type"]])
    problem = _PLAIN.get(detail["type"]) or detail["msg"].replace("Input should", "should")
    return InvalidEvent(_path(detail["loc"][1:]), problem[:1].lower() + problem[1:])


def _path(location: tuple[int | str, ...]) -> str:
    # The name of an unknown field is the sender's text: it is repeated only where it looks like one.
    shown = (str(part) if isinstance(part, int) or _OURS.fullmatch(part) else "?" for part in location)
    return ".".join(shown)
