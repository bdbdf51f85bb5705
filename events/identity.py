"""Event ids derived from the caller's idempotency key, such as the id of a message."""

import json
from collections.abc import Mapping
from typing import Any
from uuid import UUID, uuid5

# Never change it: the ids of the persisted events are derived from it.
_NAMESPACE = UUID("da24ff12-b95c-4696-8bef-6ad89c18f601")


def keyed_id(company_id: str, event_type: str, key: str) -> UUID:
    """Return the event's id (UUID version 5). The same arguments always give the same id.

    The same key gives different ids for two shops, and for two types of event.
    """
    parts = json.dumps([company_id, event_type, key])  # JSON keeps the three parts distinct
    return uuid5(_NAMESPACE, parts)


def id_of_payload(event_type: str, payload: Mapping[str, Any]) -> UUID | None:
    """Return the id for a payload that may not fit its contract, or None if it has no key."""
    company_id, key = payload.get("company_id"), payload.get("key")
    if isinstance(company_id, str) and isinstance(key, str) and key:
        return keyed_id(company_id, event_type, key)
    return None
