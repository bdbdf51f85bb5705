"""The orders of a shop. The old module: ``core.orders_manager``."""

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
    """An order is complete; amounts in FCFA.

    The answer is the order as it will be written, with the ``id`` that it will have: the same one for the
    same ``key``. None: it fits no contract, the log names the field, and it stands in RQ's failed registry.
    An order that Redis did not confirm, which the log says too, has its answer: it may arrive all the same.
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
    """The newest orders of that status (None: of any), as they are in Supabase.

    Empty too where they could not be read, which is logged: ``dashboard.reads`` raises instead.
    It needs the extra ``[read]``.
    """
    from dashboard import reads  # noqa: PLC0415 - the plain install publishes without it

    return await reads.get_orders(company_id, status, limit)
