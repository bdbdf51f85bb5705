"""Valid events whose fields contain canaries."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from tests.fuzz.canaries import PHONE, VALUE
from tests.fuzz.dice import Dice

_MORNING = datetime(2026, 11, 20, 8, tzinfo=UTC)


def event(dice: Dice, company_id: str | None = None) -> dict[str, Any]:
    """Return an event of any type as JSON values."""
    shared = {
        "event_id": str(UUID(int=dice.getrandbits(128), version=4)),
        "company_id": company_id or f"shop-{dice.randrange(5)}",
        "occurred_at": (_MORNING + timedelta(seconds=dice.randrange(10**5))).isoformat(),
    }
    if dice.chance(0.2):
        shared["conversation_id"] = str(UUID(int=dice.getrandbits(128), version=4))
    return {**shared, **_own(dice)}


def _own(dice: Dice) -> dict[str, Any]:
    amount = dice.choice((2000, 0, 12000.5, 10**9))
    match dice.randrange(4):
        case 0:
            return {"type": "payment_validated", "user_id": PHONE, "amount": amount, "reference": VALUE}
        case 1:
            about = {"issue_type": "payment_insufficient", "message": f"{VALUE} a écrit de {PHONE}"}
            return {"type": "payment_issue", "user_id": PHONE, **about, "detected_amount": amount}
        case 2:
            items = [{"name": VALUE, "quantity": 2, "price": amount} for _ in dice.some(3)]
            customer = {"customer_name": VALUE, "zone": VALUE, "phone": PHONE}
            order: dict[str, Any] = {"type": "order_completed", "user_id": PHONE, "total_amount": amount}
            return {**order, "items": items, **customer}
    return {"type": "live_toggled", "enabled": dice.chance(0.5), "mode": dice.choice(("live", "rag"))}
