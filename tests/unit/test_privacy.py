"""What is personal data and what may be cut is said once, at the fields of the contracts."""

from typing import Annotated, Any

import pytest

from events import contracts, privacy
from events.contracts import Contract, Event
from events.fields import LONGEST_NAME, LONGEST_TEXT, Amount, Handling, Name, Text, Word


class _Line(Contract):
    """A part of the event below."""

    label: Word
    remark: Name


class _Refund(Event):
    """A new type, as a later release may bring it."""

    type: Any = "refund_issued"
    why: Text
    code: Word | None = None
    amount: Amount = 0
    lines: tuple[_Line, ...] = ()


@pytest.fixture
def refund(monkeypatch: pytest.MonkeyPatch) -> None:
    """The type is one of the events."""
    monkeypatch.setattr(privacy, "AnyEvent", Annotated[contracts.LiveToggled | _Refund, "type"])


@pytest.mark.usefixtures("refund")
def test_a_new_text_is_masked_and_cut_as_its_kind_says() -> None:
    """No list elsewhere has to name the new fields, those in a list of parts too."""
    assert privacy.private_fields() == {"key", "why", "lines"}
    assert privacy.cuttable_fields() == {
        "amended": LONGEST_NAME,
        "why": LONGEST_TEXT,
        "code": LONGEST_NAME,
        "label": LONGEST_NAME,
        "remark": LONGEST_NAME,
    }


def test_personal_data_of_the_four() -> None:
    """What one customer said, bought and is called is private; the shop and the kind of issue are not."""
    assert privacy.private_fields() == {
        *("user_id", "phone", "customer_name", "zone", "message", "reference", "items", "key")
    }
    assert not {"user_id", "company_id", "key"} & privacy.cuttable_fields().keys()


@pytest.mark.parametrize("contract", [contracts.Item, *Event.__subclasses__()])
def test_every_text_says_of_which_kind_it_is(contract: type[Contract]) -> None:
    """A bare `str` would be shown to everyone: a field chooses one of the kinds of `events.fields`."""
    for name, field in contract.model_fields.items():
        if field.annotation is str:
            assert [mark for mark in field.metadata if isinstance(mark, Handling)], name
