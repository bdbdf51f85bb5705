"""Privacy and cutting are declared once, at the fields of the contracts."""

import ast
from pathlib import Path
from typing import Annotated, Any

import pytest

from events import contracts, privacy
from events.contracts import Contract, Event
from events.fields import LONGEST_NAME, LONGEST_TEXT, Amount, Handling, Name, Text, Word

_ROOT = Path(__file__).parents[2]
_LOGS = {"info", "warning", "error"}


class _Line(Contract):
    """A part of the event type below."""

    label: Word
    remark: Name


class _Refund(Event):
    """A new event type, as in a later release."""

    type: Any = "refund_issued"
    why: Text
    code: Word | None = None
    amount: Amount = 0
    lines: tuple[_Line, ...] = ()


@pytest.fixture
def refund(monkeypatch: pytest.MonkeyPatch) -> None:
    """Adds the new type to the events."""
    monkeypatch.setattr(privacy, "AnyEvent", Annotated[contracts.LiveToggled | _Refund, "type"])


@pytest.mark.usefixtures("refund")
def test_a_new_text_is_masked_and_cut_as_its_kind_says() -> None:
    """New fields are masked and cut without any other list, also in nested parts."""
    assert privacy.private_fields() == {"key", "why", "lines"}
    assert privacy.cuttable_fields() == {
        "amended": LONGEST_NAME,
        "why": LONGEST_TEXT,
        "code": LONGEST_NAME,
        "label": LONGEST_NAME,
        "remark": LONGEST_NAME,
    }


def test_personal_data_of_the_four() -> None:
    """Names, messages and purchases of a customer are private; the shop and the type of issue are not."""
    assert privacy.private_fields() == {
        *("user_id", "phone", "customer_name", "zone", "message", "reference", "items", "key")
    }
    assert not {"user_id", "company_id", "key"} & privacy.cuttable_fields().keys()


def test_no_private_field_has_the_name_of_a_log_key() -> None:
    """A private name is masked in every log line: the worker's own ``reason`` would become ``***``."""
    found = {
        keyword.arg
        for folder in ("worker", "operations", "gateway")
        for path in (_ROOT / folder).rglob("*.py")
        for call in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute) and call.func.attr in _LOGS
        for keyword in call.keywords
    }
    assert {"reason", "jobs"} <= found
    assert not privacy.private_fields() & found


@pytest.mark.parametrize("contract", [contracts.Item, *Event.__subclasses__()])
def test_every_text_says_of_which_kind_it_is(contract: type[Contract]) -> None:
    """Each text field uses a type of `events.fields`, because a plain `str` would not be masked."""
    for name, field in contract.model_fields.items():
        if field.annotation is str:
            assert [mark for mark in field.metadata if isinstance(mark, Handling)], name
