"""The exact rows of each event."""

import json
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Literal, TypedDict
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from events import (
    AnyEvent,
    Item,
    LiveToggled,
    OrderCompleted,
    PaymentIssue,
    PaymentValidated,
)
from handlers import Rows, rows
from tests import oracle, strategies

_ID = UUID("019a9fb0-0000-7000-8000-000000000001")
_CONVERSATION = UUID("7e82d821-1dbf-428b-9b90-c4963d0822e0")
_SHOP = UUID("11111111-1111-4111-8111-111111111111")
_PHONE = "+2250700000000"
_SHARED: dict[str, Any] = {
    "event_id": _ID,
    "company_id": "shop",
    "occurred_at": datetime(2026, 11, 20, 8, tzinfo=UTC),
}
_TALKING: dict[str, Any] = {**_SHARED, "conversation_id": _CONVERSATION}


@pytest.mark.parametrize(
    ("reference", "description"), [("WAVE-123", "Référence: WAVE-123"), ("", ""), (" ", "Référence:  ")]
)
def test_payment_validated(reference: str, description: str) -> None:
    """One activity with the amount and the operator's reference, if there is one."""
    event = PaymentValidated(**_SHARED, user_id=_PHONE, amount=2000, reference=reference)
    assert rows(event) == Rows(
        {
            "type": "order",
            "status": "success",
            "title": "Paiement validé: 2000 FCFA",
            "description": description,
            "conversation_id": None,
            "metadata": {
                "event": "paiement_valide",
                "event_id": str(_ID),
                "user_id": _PHONE,
                "amount": 2000,
                "reference": reference,
            },
        },
        order=None,
        toggle=None,
    )


@pytest.mark.parametrize(
    "amounts",
    [
        {},
        {"detected_amount": 500},
        {"required_amount": 2000.5},
        {"detected_amount": 0, "required_amount": 2000},
    ],
)
def test_payment_issue(amounts: dict[str, Any]) -> None:
    """One activity that asks the owner to intervene; missing amounts are left out, zero is kept."""
    event = PaymentIssue(
        **_TALKING, user_id=_PHONE, issue_type="payment_insufficient", message="500 reçu", **amounts
    )
    assert rows(event) == Rows(
        {
            "type": "intervention",
            "status": "warning",
            "title": "Intervention requise: payment_insufficient",
            "description": "500 reçu",
            "conversation_id": str(_CONVERSATION),
            "metadata": {
                "event": "payment_issue",
                "event_id": str(_ID),
                "conversation_id": str(_CONVERSATION),
                "user_id": _PHONE,
                "issue_type": "payment_insufficient",
                "message": "500 reçu",
                **amounts,
            },
        },
        order=None,
        toggle=None,
    )


class Contact(TypedDict, total=False):
    """The contact data of the customer."""

    zone: str
    phone: str


@pytest.mark.parametrize(
    "contact",
    [{}, {"zone": "Yopougon"}, {"phone": "+2250500000000"}, {"zone": "", "phone": "+2250500000000"}],
)
@pytest.mark.parametrize(("given_", "name"), [("Awa", "Awa"), ("", "0000")])
def test_order_completed(contact: Contact, given_: str, name: str) -> None:
    """The order and its activity, each with the known data of the customer."""
    event = OrderCompleted(
        **_TALKING,
        user_id=_PHONE,
        customer_name=given_,
        total_amount=Decimal("12000.50"),
        items=(Item(name="Pagne", quantity=2, price=6000), Item(name="Fil", quantity=1, price=0.5)),
        **contact,
    )
    items = [
        {"name": "Pagne", "quantity": 2, "price": 6000},
        {"name": "Fil", "quantity": 1, "price": 0.5},
    ]
    assert rows(event) == Rows(
        {
            "type": "order",
            "status": "success",
            "title": f"Commande de {name}",
            "description": "Montant: 12000.5 FCFA",
            "customer_name": name,
            "conversation_id": str(_CONVERSATION),
            "metadata": {
                "event": "commande_enregistree",
                "order_id": str(_ID),
                "event_id": str(_ID),
                "conversation_id": str(_CONVERSATION),
                "user_id": _PHONE,
                "customer_name": name,
                "total_amount": 12000.5,
                "items": items,
                **contact,
            },
        },
        order={
            "customer_name": name,
            "total_amount": 12000.5,
            "items": items,
            "conversation_id": str(_CONVERSATION),
            "metadata": {"user_id": _PHONE, **contact},
        },
        toggle=None,
    )


@pytest.mark.parametrize("mode", ["live", "rag"])
@pytest.mark.parametrize(
    ("enabled", "title", "said"),
    [(True, "Mode LIVE activé", "session_started"), (False, "Mode LIVE désactivé", "session_ended")],
)
def test_live_toggled(enabled: bool, title: str, said: str, mode: Literal["live", "rag"]) -> None:
    """The activity and the toggle; the database adds the session and its duration."""
    event = LiveToggled(**_SHARED, enabled=enabled, mode=mode)
    assert rows(event) == Rows(
        {
            "type": "system",
            "status": "info",
            "title": title,
            "description": "",
            "conversation_id": None,
            "metadata": {"event": said, "event_id": str(_ID), "enabled": enabled, "mode": mode},
        },
        order=None,
        toggle={"enabled": enabled, "mode": mode},
    )


@given(event=strategies.events(st.just("shop")))
def test_rows_are_what_the_oracle_says(event: AnyEvent) -> None:
    """The handlers give the same rows as the oracle, which implements the specification separately."""
    tables = oracle.fold([event], {"shop": _SHOP})
    expected = tables.activities[event.event_id]
    expected["metadata"].pop("session_id", None)
    said = rows(event)

    conversation_id = str(event.conversation_id) if event.conversation_id else None
    beside = {"company_id", "created_at", "conversation_id"}
    named = {"customer_name": None} | said.activity
    assert named == {name: expected[name] for name in expected.keys() - beside} | {
        "conversation_id": conversation_id
    }

    assert (said.order is not None) == (event.event_id in tables.orders)
    if said.order is not None:
        order = tables.orders[event.event_id]
        beside |= {"status", "updated_at"}
        assert said.order | {"total_amount": Decimal(str(said.order["total_amount"]))} == {
            name: order[name] for name in order.keys() - beside
        } | {"conversation_id": conversation_id}


@given(event=strategies.events(st.just("shop")))
def test_rows_are_pure_and_json(event: AnyEvent) -> None:
    """A handler is deterministic, does not change the event, and its rows can be serialised as JSON."""
    before = event.content()
    said = rows(event)
    assert rows(event) == said
    assert event.content() == before
    assert json.loads(json.dumps(said, allow_nan=False)) == json.loads(json.dumps([*said]))


@given(event=strategies.events(st.just("shop")))
def test_one_event_means_one_activity_and_what_its_type_has(event: AnyEvent) -> None:
    """Each event gives one activity. Only orders add an order and a customer name, only toggles a toggle."""
    said = rows(event)
    is_order = isinstance(event, OrderCompleted)
    assert (said.order is not None) == is_order
    assert ("customer_name" in said.activity) == is_order
    assert (said.toggle is not None) == isinstance(event, LiveToggled)
    assert None not in said.activity["metadata"].values()
