"""The orders of a shop. Replaces the old module ``core.orders_manager``."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any
from uuid import UUID

from dropin.guard import guarded
from dropin.sender import Key, send
from events.contracts import Item, OrderCompleted

Order = dict[str, Any]


@guarded(OrderCompleted, lambda: None)
async def create_order(  # noqa: PLR0913 - the event's fields
    company_id: str,
    user_id: str,
    customer_name: str | None,
    total_amount: float | Decimal,
    items: Sequence[dict[str, Any] | Item],
    *,
    zone: str | None = None,
    phone: str | None = None,
    conversation_id: UUID | str | None = None,
    key: Key | None = None,
) -> Order | None:
    """Publish that an order is complete. Amounts are in FCFA.

    Returns:
        The order as it will be written. Its ``id`` is the same for the same ``key``. None if the event does
        not fit its contract: it goes to RQ's failed registry, and the log names the field. If Redis did not
        confirm the event, the log says so and the order is returned too, because it may still arrive.
    """
    fields = {
        "company_id": company_id,
        "conversation_id": conversation_id,
        "user_id": user_id,
        "customer_name": customer_name,
        "total_amount": total_amount,
        "items": items,
        "zone": zone,
        "phone": phone,
    }
    sent = await send(OrderCompleted, {**fields, "key": key})
    if not sent.fits:
        return None
    return {**fields, "id": sent.event_id, "status": "pending"}


@guarded(None, list[Order])
async def get_orders(company_id: str, status: str | None = "pending", limit: int = 50) -> list[Order]:
    """Return the newest orders with this status (None: any status) from Supabase.

    If they cannot be read, log the error and return an empty list. ``dashboard.reads`` raises instead.
    It needs the extra ``[read]``.
    """
    from dashboard import reads  # noqa: PLC0415 - publishing works without this extra

    return await reads.get_orders(company_id, status, limit)
