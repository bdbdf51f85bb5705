"""The event of a job's call."""

import json
from typing import Any

from events import AnyEvent, InvalidEvent, parse_event
from events.publishing.call import FUNCTION
from gateway.errors import EventRefused, NewerEvent, UndecodableJob, UnknownFunction

_IDENTITY = {"event_id", "occurred_at"}
_HEAD, _TAIL = f'["{FUNCTION}",null,['.encode(), b"],{}]"


def read(call: bytes) -> AnyEvent:
    """The event of a job's call.

    Raises:
        UnknownFunction: it calls another function; it is not called.
        UndecodableJob: it is no call with one event.
        EventRefused: the event does not fit its contract.
    """
    if call.startswith(_HEAD) and call.endswith(_TAIL):
        return decode_text(call[len(_HEAD) : -len(_TAIL)])
    try:
        function, _, arguments, keywords = json.loads(call)
        payload = _only(arguments, keywords)
    except (ValueError, TypeError, AttributeError, RecursionError):
        raise UndecodableJob from None
    if function != FUNCTION:
        raise UnknownFunction
    return decode(payload)


def decode(payload: Any) -> AnyEvent:
    """The event of a job's argument.

    Raises:
        UndecodableJob: it is none, or one without an identity, which would be new at every run.
        NewerEvent: its version, its type or one of its fields is not known to this release.
        EventRefused: it does not fit its contract.
    """
    if not isinstance(payload, dict):
        raise UndecodableJob
    try:
        text = json.dumps(payload)
    except (TypeError, ValueError, RecursionError):  # nested deeper than it can be written
        raise UndecodableJob from None
    return decode_text(text)


def decode_text(text: str | bytes) -> AnyEvent:
    """As ``decode``, from JSON."""
    try:
        event = parse_event(text)
    except InvalidEvent as error:
        refusal = _refusal(error)
    else:
        if event.model_fields_set >= _IDENTITY:
            return event
        raise UndecodableJob
    raise refusal  # without the error behind it


def _refusal(error: InvalidEvent) -> EventRefused:
    if error.is_newer:
        is_known = error.field in {"type", "version"}
        return NewerEvent(str(error), unknown_field=None if is_known else error.field)
    return EventRefused(
        f"the event does not fit its contract: {error}; "
        "correct it with `botlive failures edit --set FIELD=VALUE -- ID`, or discard it",
        cause="InvalidEvent of events.parse_event, before any call of Supabase",
    )


def _only(arguments: list[Any], keywords: dict[str, Any]) -> Any:
    [argument] = [*arguments, *keywords.values()]
    return argument
