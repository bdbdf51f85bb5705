"""The rows of an event, in the form that the SQL function ``botlive_persist`` expects.

This module does no I/O and reads no clock. The SQL function adds what only the database knows: the session of
a toggle and its duration.
"""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Literal, NamedTuple, NotRequired, TypedDict

from events.contracts import own_fields

Content = Mapping[str, Any]
"""The fields of an event as JSON values: ``Event.content()``."""

ActivityType = Literal["order", "intervention", "system"]
ActivityStatus = Literal["success", "warning", "info"]
OrderStatus = Literal["pending", "completed", "cancelled"]
"""The values of an order's status. An event writes ``pending``; people set the others."""
EventName = Literal[
    "paiement_valide", "payment_issue", "commande_enregistree", "session_started", "session_ended"
]
"""The values of ``metadata.event``, which the front end reads."""


class Described(TypedDict):
    """The part of an activity that the shop's owner sees (in French)."""

    type: ActivityType
    status: ActivityStatus
    title: str
    description: str
    customer_name: NotRequired[str]


class Activity(Described):
    """A row of ``activities``. Its id and time are those of the event."""

    conversation_id: str | None
    metadata: dict[str, Any]


class Order(TypedDict):
    """A row of ``orders``. Its id and time are those of the event; its status is pending."""

    customer_name: str
    total_amount: int | float | Decimal
    """FCFA."""
    items: list[dict[str, Any]]
    conversation_id: str | None
    metadata: dict[str, Any]


class Toggle(TypedDict):
    """A toggle of the live mode. The database derives a company's sessions from all its toggles."""

    enabled: bool
    mode: Literal["live", "rag"]


class Rows(NamedTuple):
    """All rows of one event, which are written in one transaction."""

    activity: Activity
    order: Order | None = None
    toggle: Toggle | None = None


def activity(content: Content, described: Described, /, event: EventName, **metadata: str) -> Activity:
    """Return the event's activity. Its ``metadata`` contains the event's own fields, with the same names."""
    conversation_id = conversation(content)
    about: dict[str, Any] = {
        "event": event,
        **metadata,
        "event_id": content["event_id"],
        **own_fields(content),
    }
    if conversation_id:
        about["conversation_id"] = conversation_id
    return {**described, "conversation_id": conversation_id, "metadata": about}


def conversation(content: Content) -> str | None:
    """Return the id of the conversation, or None."""
    return content.get("conversation_id")
