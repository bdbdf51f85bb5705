"""One event as ``botlive_persist`` takes it: what the handlers make of it, and what names it."""

import json
from typing import Never, TypedDict

from events import AnyEvent, EventType
from gateway.errors import HandlerFailed
from handlers import rows
from handlers.rows import Activity, ActivityStatus, ActivityType, Order, Toggle


class Element(TypedDict):
    """One element of the list that ``botlive_persist`` is called with."""

    event_id: str
    event_type: EventType
    company_id: str
    occurred_at: str
    digest: str
    activity: Activity
    order: Order | None
    toggle: Toggle | None


class Labels(TypedDict):
    """Under which an activity is shown."""

    type: ActivityType
    status: ActivityStatus


class Plain(TypedDict):
    """What ``botlive_admits`` is asked with."""

    event_type: EventType
    company_id: str
    digest: str
    activity: Labels
    order: dict[str, Never] | None
    toggle: Toggle | None


def element(event: AnyEvent) -> Element:
    """The event's element, made alone: a bug in one handler is no neighbour's trouble.

    Raises:
        HandlerFailed: its handler raised, or made what is no JSON.
    """
    try:
        return _as_json_takes_it(_made(event))
    except (KeyboardInterrupt, SystemExit):  # a signal's
        raise
    except BaseException as error:  # noqa: BLE001 # a bug raises anything; pydantic's panic is no Exception
        # Without the error behind it: its words may quote the event.
        raise HandlerFailed(error) from None


def _made(event: AnyEvent) -> Element:
    meant = rows(event)
    return {
        "event_id": str(event.event_id),
        "event_type": event.type,
        "company_id": event.company_id,
        "occurred_at": event.occurred_at.isoformat(),
        "digest": event.digest(),
        "activity": meant.activity,
        "order": meant.order,
        "toggle": meant.toggle,
    }


def _as_json_takes_it(made: Element) -> Element:
    # As httpx writes it: what fails there fails the whole batch.
    json.dumps(made, ensure_ascii=False, allow_nan=False).encode()
    return made


def plain(made: Element) -> Plain:
    """What an element shares with all of its type and company, and nothing of its event's own."""
    activity = made["activity"]
    return {
        "event_type": made["event_type"],
        "company_id": made["company_id"],
        "digest": "",
        "activity": {"type": activity["type"], "status": activity["status"]},
        "order": {} if made["order"] else None,
        "toggle": {"enabled": True, "mode": "live"} if made["toggle"] else None,
    }
