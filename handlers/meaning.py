"""Calls the handler for an event's type."""

from typing import assert_never

from events import AnyEvent, LiveToggled, OrderCompleted, PaymentIssue, PaymentValidated
from handlers.live_toggled import live_toggled
from handlers.order_completed import order_completed
from handlers.payment_issue import payment_issue
from handlers.payment_validated import payment_validated
from handlers.rows import Content, Rows


def rows(event: AnyEvent, content: Content | None = None) -> Rows:
    """Return the rows for the event. mypy reports an event type without a handler.

    ``content`` is ``event.content()``, if the caller has it already.
    """
    newest = event.upcast()
    if content is None or newest is not event:
        content = newest.content()
    match newest:
        case PaymentValidated():
            return payment_validated(newest, content)
        case PaymentIssue():
            return payment_issue(newest, content)
        case OrderCompleted():
            return order_completed(newest, content)
        case LiveToggled():
            return live_toggled(newest, content)
    assert_never(newest)
