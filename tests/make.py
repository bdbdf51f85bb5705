"""Makers of events that many tests need."""

from collections.abc import Sequence
from typing import Any

from events import AnyEvent, Item, LiveToggled, OrderCompleted, PaymentIssue, PaymentValidated
from gateway.client import Gateway, Outcome
from worker.elements import element

PHONE = "+2250700000000"


def order(company_id: str = "shop", **fields: Any) -> OrderCompleted:
    """Make an order; ``fields`` replaces its fields."""
    items = (Item(name="Pagne", quantity=1, price=9000),)
    plain = {"company_id": company_id, "user_id": PHONE, "total_amount": 9000, "items": items}
    return OrderCompleted(**{**plain, **fields})


def payment(company_id: str = "shop", **fields: Any) -> PaymentValidated:
    """Make a validated payment; ``fields`` replaces its fields."""
    plain = {"company_id": company_id, "user_id": PHONE, "amount": 2000, "reference": "WAVE-123"}
    return PaymentValidated(**{**plain, **fields})


def every_type(company_id: str = "shop") -> list[AnyEvent]:
    """Make one event of each type, with every field set."""
    return [
        payment(company_id),
        PaymentIssue(
            company_id=company_id, user_id=PHONE, issue_type="payment_insufficient", message="Bonjour Awa"
        ),
        order(company_id, customer_name="Awa Koné", total_amount=9000.5, zone="Yopougon", phone=PHONE),
        LiveToggled(company_id=company_id, enabled=True),
    ]


def persist(gateway: Gateway, events: Sequence[AnyEvent], *, apart: bool = False) -> list[Outcome]:
    """Persist the events in one transaction, as a worker does."""
    return gateway.persist([element(event) for event in events], apart=apart)
