"""The correction of a failed event: the result fits the contract, or the edit is refused."""

import json
from typing import Any

import pytest

from events import OrderCompleted
from events.contracts import Item
from events.publishing.call import Call
from operations.errors import EditRefused
from operations.failed.correction import Change, correct

_PHONE = "+2250712345678"
_ID = "019a9fb0-0000-7000-8000-000000000001"
_PAYLOAD = {
    "event_id": _ID,
    "type": "order_completed",
    "version": 1,
    "occurred_at": "2026-11-20T08:00:00Z",
    "company_id": "kiosque",
    "user_id": _PHONE,
    "customer_name": "Awa",
    "total_amount": "12 000 FCFA",
    "items": [{"name": "Pagne", "quantity": 1, "price": "500 F"}],
}


def _call(**fields: Any) -> bytes:
    payload = {name: value for name, value in {**_PAYLOAD, **fields}.items() if value is not ...}
    return json.dumps(["worker.job.persist", None, [payload], {}]).encode()


def _corrected(*assignments: str, call: bytes | None = None) -> Any:
    return correct(call or _call(), [Change.of(text) for text in assignments])


def _refusal(*assignments: str, call: bytes | None = None) -> str:
    with pytest.raises(EditRefused) as refusal:
        _corrected(*assignments, call=call)
    assert _PHONE not in str(refusal.value)
    assert "12 000" not in str(refusal.value)
    return str(refusal.value)


def test_fields_are_set_by_their_paths() -> None:
    """Several fields are set at once; other fields stay, and the old values are kept."""
    event, before = _corrected("total_amount=12000", "items.0.price=500.0", "zone=Cocody", "phone=0700000000")
    assert isinstance(event, OrderCompleted)
    assert event.items == (Item(name="Pagne", quantity=1, price=500),)
    assert (event.total_amount, event.zone, event.phone) == (12000, "Cocody", "0700000000")
    assert (str(event.event_id), event.user_id) == (_ID, _PHONE)
    assert before == {"total_amount": "12 000 FCFA", "items.0.price": "500 F"}


def test_a_value_is_json_where_it_is_such() -> None:
    """A value is read as JSON if it is JSON: quotes make a text, null removes an optional field."""
    lines = json.dumps([{"name": "a=b", "quantity": 2, "price": 5}])
    event, before = _corrected("total_amount=5", f"items={lines}", 'zone="12"', "phone=null")
    assert isinstance(event, OrderCompleted)
    assert (event.items[0].name, event.zone, event.phone) == ("a=b", "12", None)
    assert before["items"] == _PAYLOAD["items"]


def test_a_field_is_taken_out() -> None:
    """A field that the contract does not know can be removed."""
    call = _call(total_amount=5, items=[{"name": "Pagne", "quantity": 1, "price": 5}], arguments=["x"])
    event, before = correct(call, [Change("arguments", is_removal=True)])
    assert "arguments" not in event.content()
    assert before == {"arguments": ["x"]}


def test_the_old_value_is_that_of_before_all_changes() -> None:
    """The old value is that before all changes, also for nested paths and for a field set twice."""
    changes = (
        "items.0.price=1",
        "items.0.price=2",
        'items=[{"name":"x","quantity":1,"price":5}]',
        "total_amount=5",
    )
    before = _corrected(*changes).before
    assert before == {
        "items.0.price": "500 F",
        "items": _PAYLOAD["items"],
        "total_amount": "12 000 FCFA",
    }


@pytest.mark.parametrize(
    "value", ["12 000", "-1", "true", "NaN", "Infinity", "1e999", '"5"', "null", "[" * 9_999]
)
def test_what_would_not_fit_is_refused_by_its_name(value: str) -> None:
    """A value that does not fit is refused with the field's name, and is not quoted."""
    assert _refusal(f"total_amount={value}").startswith(
        "not edited: the event would not fit its contract: total_amount: "
    )


def test_the_next_wrong_field_is_named() -> None:
    """If one correction is not enough, the next wrong field is named."""
    assert "items.0.price: " in _refusal("total_amount=5")


@pytest.mark.parametrize("path", ["event_id", "type", "version", "key", "event_id.0"])
def test_which_event_it_is_stays(path: str) -> None:
    """The fields of the event's identity cannot be changed."""
    assert _refusal(f"{path}=x") == f"{path}: is part of the event's identity and cannot be changed"


def test_a_shop_that_a_key_belongs_to_stays() -> None:
    """The shop of an event with a key cannot be changed: the event's id is made from both."""
    event = OrderCompleted.model_validate(
        {name: value for name, value in _PAYLOAD.items() if name != "event_id"}
        | {"key": "wamid.1", "total_amount": 5, "items": [{"name": "x", "quantity": 1, "price": 5}]}
    )
    call = Call.of(event).data.encode()
    assert "event_id" in _refusal("company_id=other", call=call)
    assert _corrected("total_amount=6", call=call).event.event_id == event.event_id


@pytest.mark.parametrize(
    "path",
    [
        "items.1.price",
        "items.x",
        "items.-1.price",
        "user_id.0",
        "nothing.there",
        "items..price",
        ".",
        "zone.x",
    ],
)
def test_a_place_that_is_not_there_is_named(path: str) -> None:
    """A path that does not exist is refused with its name; nothing is created."""
    assert _refusal(f"{path}=5") == f"{path}: the event has no such field"


def test_a_value_in_a_fields_place_is_not_quoted() -> None:
    """A customer's number typed in place of a field's name is not quoted."""
    assert _refusal(f"zone.{_PHONE}=x").startswith("zone.***: ")


def test_a_place_that_is_not_there_cannot_be_taken_out() -> None:
    """The removal of a field that does not exist is refused with its name."""
    with pytest.raises(EditRefused, match="zone: the event has no such field"):
        correct(_call(), [Change("zone", is_removal=True)])


def test_an_unknown_field_is_refused_by_its_name() -> None:
    """A misspelt field is refused with its name."""
    assert ": amuont: " in _refusal("total_amount=5", "items.0.price=5", "amuont=5")


@pytest.mark.parametrize("text", ["amount", "=5", "", "amount:5"])
def test_no_assignment(text: str) -> None:
    """An argument that is not an assignment is refused, and the message shows the form."""
    with pytest.raises(EditRefused, match="FIELD=VALUE"):
        Change.of(text)


def test_a_value_that_is_no_unicode() -> None:
    """A value that is not UTF-8, as a terminal with another encoding may send, is refused."""
    with pytest.raises(EditRefused, match="not UTF-8"):
        Change.of("zone=\udce9")


@pytest.mark.parametrize(
    "call",
    [
        b"",
        b"\x80 no json",
        b"[" * 9_999,
        b"[]",
        b'["worker.job.persist",null,[[1]],{}]',
        _call(event_id=...),
        _call(event_id=None),
        _call(occurred_at=...),
        json.dumps(["os.system", None, [_PAYLOAD], {}]).encode(),
    ],
)
def test_what_is_no_event_cannot_be_edited(call: bytes) -> None:
    """An event without an id or a time cannot be edited: each run would make a new event of it."""
    assert "it cannot be edited, discard it" in _refusal("total_amount=5", call=call or b" ")
