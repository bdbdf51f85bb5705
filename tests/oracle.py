"""What the tables must hold, folded in memory from the published events: the specification, again.

Written without the product's handlers and SQL on purpose: two ways to the same rows.
"""

from collections.abc import Iterable
from decimal import Decimal
from typing import Any, Literal, NamedTuple, assert_never
from uuid import UUID

from events import AnyEvent, LiveToggled, OrderCompleted, PaymentIssue, PaymentValidated

Row = dict[str, Any]
_Type = Literal["order", "message", "intervention", "system"]
_Status = Literal["success", "warning", "info", "error"]

TABLES = {
    "orders": "company_id conversation_id customer_name total_amount status items metadata"
    " created_at updated_at",
    "activities": "company_id conversation_id type title description status metadata"
    " customer_name created_at",
    "bot_sessions": "company_id mode started_at ended_at created_at",
}
"""The columns of each table that events fill: projects have others of their own."""


class Tables(NamedTuple):
    """Rows by id."""

    orders: dict[UUID, Row]
    activities: dict[UUID, Row]
    sessions: dict[UUID, Row]


def fold(events: Iterable[AnyEvent], shops: dict[str, UUID]) -> Tables:
    """The rows that the events mean, whatever their order and however often each comes."""
    tables = Tables({}, {}, {})
    toggles: dict[str, list[LiveToggled]] = {}
    for event in {event.event_id: event for event in events}.values():
        shop = shops[event.company_id]
        tables.activities[event.event_id] = _activity(event, shop)
        if isinstance(event, OrderCompleted):
            tables.orders[event.event_id] = _order(event, shop)
        if isinstance(event, LiveToggled):
            toggles.setdefault(event.company_id, []).append(event)
    for company_id, those in toggles.items():
        _sessions(those, shops[company_id], tables)
    return tables


def _sessions(toggles: list[LiveToggled], shop: UUID, tables: Tables) -> None:
    begun: LiveToggled | None = None
    for toggle in sorted(toggles, key=lambda t: (t.occurred_at, t.event_id)):
        activity = tables.activities[toggle.event_id]
        if toggle.enabled and begun is None:
            begun = toggle
            tables.sessions[toggle.event_id] = {
                "company_id": shop,
                "mode": toggle.mode,
                "started_at": toggle.occurred_at,
                "ended_at": None,
                "created_at": toggle.occurred_at,
            }
        activity["metadata"]["session_id"] = str(begun.event_id) if begun else None
        if not toggle.enabled and begun is not None:
            tables.sessions[begun.event_id]["ended_at"] = toggle.occurred_at
            minutes = int((toggle.occurred_at - begun.occurred_at).total_seconds()) // 60
            activity["description"] = f"Durée: {minutes} minute{'s' * (minutes > 1)}"
            begun = None


def _order(event: OrderCompleted, shop: UUID) -> Row:
    metadata = {"user_id": event.user_id}
    metadata |= {"zone": event.zone} if event.zone is not None else {}
    metadata |= {"phone": event.phone} if event.phone is not None else {}
    return {
        "company_id": shop,
        "conversation_id": event.conversation_id,
        "customer_name": event.customer_name,
        "total_amount": Decimal(str(event.total_amount)),
        "status": "pending",
        "items": _json(event)["items"],
        "metadata": metadata,
        "created_at": event.occurred_at,
        "updated_at": event.occurred_at,
    }


def _activity(event: AnyEvent, shop: UUID) -> Row:
    kind, status, title, description, more = _said(event)
    metadata = _json(event)
    for shared in ("type", "version", "company_id", "occurred_at"):
        del metadata[shared]
    metadata.pop("key", None)
    return {
        "company_id": shop,
        "conversation_id": event.conversation_id,
        "type": kind,
        "title": title,
        "description": description,
        "status": status,
        "metadata": metadata | more,
        "customer_name": event.customer_name if isinstance(event, OrderCompleted) else None,
        "created_at": event.occurred_at,
    }


def _said(event: AnyEvent) -> tuple[_Type, _Status, str, str, Row]:
    match event:
        case PaymentValidated():
            description = f"Référence: {event.reference}" if event.reference else ""
            title = f"Paiement validé: {_money(event.amount)}"
            return "order", "success", title, description, {"event": "paiement_valide"}
        case PaymentIssue():
            title = f"Intervention requise: {event.issue_type}"
            return "intervention", "warning", title, event.message, {"event": "payment_issue"}
        case OrderCompleted():
            more = {"event": "commande_enregistree", "order_id": str(event.event_id)}
            description = f"Montant: {_money(event.total_amount)}"
            return "order", "success", f"Commande de {event.customer_name}", description, more
        case LiveToggled(enabled=True):
            return "system", "info", "Mode LIVE activé", "", {"event": "session_started"}
        case LiveToggled():
            return "system", "info", "Mode LIVE désactivé", "", {"event": "session_ended"}
        case _:
            assert_never(event)


def _json(event: AnyEvent) -> Row:
    return event.model_dump(mode="json", exclude_none=True)


def _money(amount: float | Decimal) -> str:
    number = Decimal(str(amount))
    if number == number.to_integral_value():
        return f"{int(number)} FCFA"
    return f"{number:f}".rstrip("0") + " FCFA"
