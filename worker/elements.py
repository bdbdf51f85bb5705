"""Builds the element of one event for ``botlive_persist``: its identity, and the rows from its handler."""

import json
from typing import Never, TypedDict

from events import AnyEvent, EventType
from gateway.errors import HandlerFailed
from handlers import rows
from handlers.rows import Activity, ActivityStatus, ActivityType, Order, Toggle


class Element(TypedDict):
    """One element of the argument of ``botlive_persist``."""

    event_id: str
    event_type: EventType
    company_id: str
    occurred_at: str
    digest: str
    activity: Activity
    order: Order | None
    toggle: Toggle | None


class Labels(TypedDict):
    """The type and the status of an activity."""

    type: ActivityType
    status: ActivityStatus


class PlainElement(TypedDict):
    """One element of the argument of ``botlive_admits``, without data of an event."""

    event_type: EventType
    company_id: str
    digest: str
    activity: Labels
    order: dict[str, Never] | None
    toggle: Toggle | None


def element(event: AnyEvent) -> Element:
    """Build the element of one event. A bug in its handler does not affect other events.

    Raises:
        HandlerFailed: the handler raised an exception.
    """
    try:
        return _made(event)
    except (KeyboardInterrupt, SystemExit):  # raised by a signal
        raise
    except BaseException as error:  # noqa: BLE001 # a bug raises anything; a pydantic panic is no Exception
        # ``from None``, because the text of the error may quote the event.
        raise HandlerFailed(error) from None


def _made(event: AnyEvent) -> Element:
    content = event.content()
    meant = rows(event, content)
    return {
        "event_id": content["event_id"],
        "event_type": event.type,
        "company_id": event.company_id,
        "occurred_at": content["occurred_at"],
        "digest": event.digest(content),
        "activity": meant.activity,
        "order": meant.order,
        "toggle": meant.toggle,
    }


def flaw(made: Element) -> HandlerFailed | None:
    """Return why supabase-py cannot write the element as JSON, which is a bug in its handler; else None."""
    try:
        json.dumps(made, ensure_ascii=False, allow_nan=False).encode()  # with the options of httpx
    except (TypeError, ValueError, RecursionError) as error:
        return HandlerFailed(error)
    return None


def plain_element(made: Element) -> PlainElement:
    """Reduce an element to what all events of its type and company share; no data of the event remains."""
    activity = made["activity"]
    return {
        "event_type": made["event_type"],
        "company_id": made["company_id"],
        "digest": "",
        "activity": {"type": activity["type"], "status": activity["status"]},
        "order": {} if made["order"] else None,
        "toggle": {"enabled": True, "mode": "live"} if made["toggle"] else None,
    }
