"""What an event means for the tables: the rows, as the SQL function ``botlive_persist`` takes them.

Pure: no I/O, no clock. What only the database can know, which session a toggle belongs to and how
long it lasted, is added there.
"""

from decimal import Decimal
from typing import Any, Literal, NamedTuple, NotRequired, TypedDict

from events import Event

ActivityType = Literal["order", "intervention", "system"]
ActivityStatus = Literal["success", "warning", "info"]
What = Literal["paiement_valide", "payment_issue", "commande_enregistree", "session_started", "session_ended"]
"""What happened, as ``metadata.event`` says it: the front end's words."""


class Described(TypedDict):
    """What an activity says to the shop's owner (French)."""

    type: ActivityType
    status: ActivityStatus
    title: str
    description: str
    customer_name: NotRequired[str]


class Activity(Described):
    """A row of ``activities``; its id and time are the event's."""

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
    mode: Literal["live", "rag"]


class Rows(NamedTuple):
    """All that one event writes, in one transaction."""

    activity: Activity
    order: Order | None = None
    toggle: Toggle | None = None


def activity(source: Event, said: Described, /, event: What, **metadata: str) -> Activity:
    """The event's one activity. Its own fields stand in ``metadata`` under their own names."""
    conversation_id = conversation(source)
    about: dict[str, Any] = {
        "event": event,
        **metadata,
        "event_id": str(source.event_id),
        **source.own_fields(),
    }
    if conversation_id:
        about["conversation_id"] = conversation_id
    return {**said, "conversation_id": conversation_id, "metadata": about}


def conversation(event: Event) -> str | None:
    """The conversation's id as text."""
    return str(event.conversation_id) if event.conversation_id else None
