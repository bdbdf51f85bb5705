"""The event of a job's call."""

import json
from typing import Any

from events import AnyEvent
from events.job import FUNCTION
from worker.errors import UndecodableJob, UnknownFunction
from worker.job import decode, decode_text

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


def _only(arguments: list[Any], keywords: dict[str, Any]) -> Any:
    [argument] = [*arguments, *keywords.values()]
    return argument
