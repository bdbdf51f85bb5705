"""Calls the handler for an event's type."""

from typing import assert_never

from events import AnyEvent, LiveToggled, OrderCompleted, PaymentIssue, PaymentValidated
from handlers.live_toggled import live_toggled
from handlers.order_completed import order_completed
from handlers.payment_issue import payment_issue
from handlers.payment_validated import payment_validated
from handlers.rows import Rows


def rows(event: AnyEvent) -> Rows:
    """Return the rows for the event. mypy reports an event type without a handler."""
    event = event.upcast()
    match event:
        case PaymentValidated():
            return payment_validated(event)
        case PaymentIssue():
            return payment_issue(event)
        case OrderCompleted():
            return order_completed(event)
        case LiveToggled():
            return live_toggled(event)
    assert_never(event)
