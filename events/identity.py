"""Which event it is, where the caller has a key of its own for what happened (a message's id)."""

import json
from collections.abc import Mapping
from typing import Any
from uuid import UUID, uuid5

# Never changed: the ids of what is persisted follow from it.
_NAMESPACE = UUID("da24ff12-b95c-4696-8bef-6ad89c18f601")


def keyed_id(company_id: str, event_type: str, key: str) -> UUID:
    """The event's id (UUID version 5): the same wherever and whenever the same thing is published.

    Two shops, or two types of event, with the same key have two ids.
    """
    parts = json.dumps([company_id, event_type, key])  # a list: none of them can run into the next
    return uuid5(_NAMESPACE, parts)


def id_of_payload(event_type: str, payload: Mapping[str, Any]) -> UUID | None:
    """The same of a payload that may fit no contract; None where it has no key."""
    company_id, key = payload.get("company_id"), payload.get("key")
    if isinstance(company_id, str) and isinstance(key, str) and key:
        return keyed_id(company_id, event_type, key)
    return None
