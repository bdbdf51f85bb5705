"""What happened in a chat. The old module: ``core.activities_logger``."""

from decimal import Decimal
from uuid import UUID

from dropin.guard import guarded
from dropin.sender import Key, send
from events.contracts import PaymentIssue, PaymentValidated


@guarded(PaymentValidated, bool)
async def log_payment_validated(  # noqa: PLR0913 - the event's fields
    company_id: str,
    user_id: str,
    amount: float | Decimal,
    reference: str | None = "",
    *,
    conversation_id: UUID | str | None = None,
    key: Key | None = None,
) -> bool:
    """A payment was checked and found good; ``amount`` in FCFA.

    True: it is on its way to the tables, for the first time or, by its ``key``, once more. False: it fits no
    contract and stands in RQ's failed registry, or Redis did not confirm it; the log says which.
    """
    fields = {
        "company_id": company_id,
        "conversation_id": conversation_id,
        "key": key,
        "user_id": user_id,
        "amount": amount,
        "reference": "" if reference is None else reference,
    }
    return (await send(PaymentValidated, fields)).accepted


@guarded(PaymentIssue, bool)
async def log_payment_issue(  # noqa: PLR0913 - the event's fields
    company_id: str,
    user_id: str,
    issue_type: str,
    message: str,
    *,
    detected_amount: float | Decimal | None = None,
    required_amount: float | Decimal | None = None,
    conversation_id: UUID | str | None = None,
    key: Key | None = None,
) -> bool:
    """A payment needs a person's eye; amounts in FCFA. The answer is as ``log_payment_validated``'s."""
    fields = {
        "company_id": company_id,
        "conversation_id": conversation_id,
        "key": key,
        "user_id": user_id,
        "issue_type": issue_type,
        "message": message,
        "detected_amount": detected_amount,
        "required_amount": required_amount,
    }
    return (await send(PaymentIssue, fields)).accepted


@guarded(None, lambda: True)
async def log_order_created(
    company_id: str,
    customer_name: str | None,
    order_id: str,
    total_amount: float | Decimal,
    *,
    conversation_id: UUID | str | None = None,
) -> bool:
    """Nothing is left to do: the event of ``create_order`` makes the order and its activity in one."""
    return True
