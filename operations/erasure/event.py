"""Removes a customer's data from an event. The result still fits its contract. Pure: no I/O."""

import json
from typing import Any, get_args

from events.contracts import AnyEvent
from events.privacy import private_fields
from gateway.masking import MASK
from operations.failed.job import payload

# The key may be the id of a message. Without it, and without the conversation, nothing leads to the customer.
# The event keeps its id, which was derived from the key.
_REMOVED = {"key", "conversation_id"}
_KNOWN = {name for kind in get_args(get_args(AnyEvent)[0]) for name in kind.model_fields}
_PUBLIC = (_KNOWN - private_fields()) | {"quantity", "price"}  # the latter two of an item
_LISTS = {"items", "amended"}


def is_of(person: str, call: bytes) -> bool:
    """Return whether the call's event belongs to the customer."""
    event = payload(call)
    return isinstance(event, dict) and str(event.get("user_id")) == person


def without_person(person: str, call: bytes) -> bytes:
    """Return the call without the data of the customer whose event it contains."""
    function, instance, args, kwargs = json.loads(call)
    if args:
        args[0] = _masked(person, args[0])
    else:
        kwargs["payload"] = _masked(person, kwargs["payload"])
    # Written as the publisher writes it: the claim script searches for the company in the text.
    written = json.dumps([function, instance, args, kwargs], separators=(",", ":"), ensure_ascii=False)
    return written.encode(errors="replace")


def _masked(person: str, event: dict[str, Any]) -> dict[str, Any]:
    return {name: _value(person, name, value) for name, value in event.items() if name not in _REMOVED}


def _value(person: str, name: str, value: Any) -> Any:
    if name in _LISTS and isinstance(value, list):
        return [
            _masked(person, each) if isinstance(each, dict) else _value(person, "type", each)
            for each in value
        ]
    is_kept = name in _PUBLIC and not isinstance(value, dict | list) and person not in str(value)
    return value if is_kept or value is None else MASK
