"""What an event means for the tables: the rows, as the SQL function ``botlive_persist`` takes them.

Pure: no I/O, no clock. What only the database can know, which session a toggle belongs to and how
long it lasted, is added there.
"""

from decimal import Decimal
from functools import singledispatch
from typing import Any, NamedTuple, TypedDict

from events import BotliveError, Event


class UnhandledEvent(BotliveError):
    """No handler says what this event means: a module of ``handlers`` is missing or not imported."""


class Activity(TypedDict):
    """A row of ``activities``; its id and time are the event's."""

    type: str
    status: str
    title: str
    description: str
    customer_name: str | None
    conversation_id: str | None
    metadata: dict[str, Any]


class Order(TypedDict):
    """A row of ``orders``; its id and time are the event's, its status pending."""

    customer_name: str
    total_amount: int | float | Decimal
    """FCFA."""
    items: list[dict[str, Any]]
    conversation_id: str | None
    metadata: dict[str, Any]


class Toggle(TypedDict):
    """One element of the set from which a company's sessions follow."""

    enabled: bool
    mode: str


class Rows(NamedTuple):
    """All that one event writes, in one transaction."""

    activity: Activity
    order: Order | None = None
    toggle: Toggle | None = None


@singledispatch
def rows(event: Event) -> Rows:
    """The rows that the event means.

    Raises:
        UnhandledEvent: no module registered its type.
    """
    raise UnhandledEvent


def activity(
    event: Event,
    *,
    type: str,
    status: str,
    title: str,
    description: str,
    metadata: dict[str, Any],
    customer_name: str | None = None,
) -> Activity:
    """The event's one activity. ``metadata`` comes before the event's own fields."""
    shared = {"event_id": str(event.event_id), **event.own_fields()}
    conversation_id = conversation(event)
    if conversation_id:
        shared["conversation_id"] = conversation_id
    return {
        "type": type,
        "status": status,
        "title": title,
        "description": description,
        "customer_name": customer_name,
        "conversation_id": conversation_id,
        "metadata": metadata | shared,
    }


def conversation(event: Event) -> str | None:
    """The conversation's id as text."""
    return str(event.conversation_id) if event.conversation_id else None
