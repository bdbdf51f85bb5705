"""Decodes the event in a job's call."""

import json
from typing import Any

from events import AnyEvent, InvalidEvent, parse_event
from events.publishing.call import FUNCTION
from gateway.errors import EventRefused, NewerEvent, UndecodableJob, UnknownFunction

_IDENTITY = {"event_id", "occurred_at"}
_HEAD, _TAIL = f'["{FUNCTION}",null,['.encode(), b"],{}]"


def read(call: bytes) -> AnyEvent:
    """Decode the event in a job's call.

    Raises:
        UnknownFunction: the job names another function, which is never called.
        UndecodableJob: the data is not a call with one event.
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
    """Decode the event in a job's argument.

    Raises:
        UndecodableJob: it is not an event, or it has no id or no time: each run would make a new event of it.
        NewerEvent: this release does not know its version, its type or one of its fields.
        EventRefused: it does not fit its contract.
    """
    if not isinstance(payload, dict):
        raise UndecodableJob
    try:
        text = json.dumps(payload)
    except (TypeError, ValueError, RecursionError):  # nested too deeply to be serialised
        raise UndecodableJob from None
    return decode_text(text)


def decode_text(text: str | bytes) -> AnyEvent:
    """Decode an event from JSON; see ``decode``."""
    try:
        event = parse_event(text)
    except InvalidEvent as error:
        refusal = _refusal(error)
    else:
        if event.model_fields_set >= _IDENTITY:
            return event
        raise UndecodableJob
    raise refusal  # outside of the handler, so that the original error is not attached


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
