"""Activities of the chat. Replaces the old module ``core.activities_logger``."""

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
    """Publish that a payment was verified. ``amount`` is in FCFA.

    Returns:
        True if the event is published, also if an event with the same ``key`` was published before. False if
        the event does not fit its contract (it goes to RQ's failed registry), or if Redis did not confirm it.
        The log says which.
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
    """Publish that a person must check a payment. Amounts are in FCFA.

    Returns:
        The same as ``log_payment_validated``.
    """
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
    """Do nothing, because the event of ``create_order`` creates the order and its activity."""
    return True
