"""Parsing: valid lines are accepted, and the error for an invalid line names the field."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from events import BotliveError, Event, InvalidEvent, PaymentIssue, parse_event
from tests import strategies

_DATA = Path(__file__).parents[1] / "data"
_BAD = (_DATA / "bad.ndjson").read_bytes().splitlines()
_DAY = (_DATA / "trading-day.ndjson").read_bytes().splitlines()

_GOOD: dict[str, Any] = {
    "type": "payment_validated",
    "company_id": "shop",
    "user_id": "+2250700000000",
    "amount": 2000,
    "reference": "",
}


def _refusal(text: str | bytes) -> InvalidEvent:
    with pytest.raises(InvalidEvent) as refusal:
        parse_event(text)
    return refusal.value


_FIELDS_OF_BAD_LINES = {
    1: "event_id",
    2: "type",
    3: "company_id",
    4: "occurred_at",
    5: "amount",
    6: "amount",
    7: "items",
    8: "items.0.quantity",
    9: "enabled",
    10: "version",
    11: "message",
    12: "json",
    13: "json",
    14: "json",
}


@pytest.mark.parametrize(("number", "field"), _FIELDS_OF_BAD_LINES.items())
def test_bad_lines_are_refused_by_their_field(number: int, field: str) -> None:
    """Each bad line of the example is refused, and the message begins with the wrong field."""
    for line in (_BAD[number - 1], _BAD[number - 1].decode()):
        refusal = _refusal(line)
        assert refusal.field == field
        assert str(refusal) == f"{field}: {refusal.problem}"
        assert refusal.problem


def test_every_bad_line_is_in_the_table() -> None:
    """The table above contains every bad line of the example."""
    assert [*_FIELDS_OF_BAD_LINES] == [*range(1, len(_BAD) + 1)]


@pytest.mark.parametrize("number", _FIELDS_OF_BAD_LINES)
def test_bad_lines_are_not_quoted(number: int) -> None:
    """The error contains no text of five or more characters from the bad line."""
    try:
        values = json.loads(_BAD[number - 1])
    except ValueError:
        values = {"line": _BAD[number - 1].decode()}
    texts = [str(value) for value in values.values()] if isinstance(values, dict) else [str(values)]
    refusal = _refusal(_BAD[number - 1])
    for text in (text for text in texts if len(text) >= 5):
        assert text not in str(refusal)
        assert text not in repr(refusal)


@pytest.mark.parametrize("number", range(1, len(_DAY) + 1))
def test_the_trading_day_is_accepted(number: int) -> None:
    """Every line of the example day is an event with the same content as the line."""
    line = json.loads(_DAY[number - 1])
    event = parse_event(_DAY[number - 1])
    content = event.content()
    given_ = {name: value for name, value in line.items() if value is not None}
    assert {name: content[name] for name in given_} == given_
    assert event == parse_event(_DAY[number - 1].decode())


def test_the_trading_day_holds_every_type() -> None:
    """The example day has 330 different events of all four types."""
    events = [parse_event(line) for line in _DAY]
    assert len(events) == 330
    assert len({event.digest() for event in events}) == 330
    assert {*Counter(event.type for event in events)} == {
        "payment_validated",
        "payment_issue",
        "order_completed",
        "live_toggled",
    }


@pytest.mark.parametrize(
    ("text", "field"),
    [
        ("", "json"),
        ("   ", "json"),
        ("{", "json"),
        ("not json", "json"),
        ("null", "json"),
        ("true", "json"),
        ("5", "json"),
        ('"payment_validated"', "json"),
        ("[]", "json"),
        ("[{}]", "json"),
        ("{} {}", "json"),
        ("{'type': 1}", "json"),
        ("\0", "json"),
        ("[" * 100_000, "json"),
        (json.dumps(_GOOD) + "\0", "json"),
        (json.dumps(_GOOD).replace("shop", "sh\0p"), "json"),
        (json.dumps(_GOOD).replace("2000", "9" * 5_000), "json"),
        ("{}", "type"),
        ('{"type": null}', "type"),
        ('{"type": ""}', "type"),
        ('{"type": 5}', "type"),
        ('{"type": ["payment_validated"]}', "type"),
        ('{"type": {"payment_validated": 1}}', "type"),
        ('{"type": "PAYMENT_VALIDATED"}', "type"),
        ('{"type": "payment_refunded"}', "type"),
        ('{"type": "payment_validated\\u0000"}', "type"),
    ],
)
def test_texts_that_are_no_event(text: str, field: str) -> None:
    """The error names ``json`` for a text that is not a JSON object, and ``type`` for an unknown type."""
    assert _refusal(text).field == field
    assert _refusal(text.encode()).field == field


@pytest.mark.parametrize(
    "text", [b"\xff", b"\xff\xfe", json.dumps(_GOOD).encode("utf-16"), b'{"type": "\xe9"}']
)
def test_bytes_that_are_no_utf_8(text: bytes) -> None:
    """Bytes in another encoding than UTF-8 are refused."""
    assert _refusal(text).field == "json"


@pytest.mark.parametrize(
    "name", ["+2250700000000", "0700000000", "Awa Koné", "a\0b", "", "x" * 41, "user id"]
)
def test_a_field_name_that_looks_like_none_is_not_repeated(name: str) -> None:
    """The name of an unknown field is not shown if it may be personal data."""
    refusal = _refusal(json.dumps({**_GOOD, name: 1}))
    assert refusal.field == "?"
    assert not name or name not in str(refusal)


@pytest.mark.parametrize(
    ("field", "value", "problem"),
    [
        ("event_id", "§", "must be a UUID"),
        ("event_id", "+2250700000000", "must be a UUID"),
        ("event_id", 5, "must be a UUID"),
        ("conversation_id", "§", "must be a UUID"),
        ("occurred_at", "§", "must be a date and time with a zone (ISO 8601)"),
        ("occurred_at", "2026-11-20T§", "must be a date and time with a zone (ISO 8601)"),
        ("occurred_at", "2026-11-20T08:00:00Z§", "must be a date and time with a zone (ISO 8601)"),
        ("occurred_at", "2026-11-20T08:00:00", "must have a time zone, such as Z for UTC"),
        (
            "occurred_at",
            "9998-11-20T08:00:00Z",
            "is more than 24 hours in the future by this machine's clock",
        ),
        ("amount", "2000", "must be a number, not text or true/false"),
        ("amount", -1, "must not be negative"),
        ("amount", float("nan"), "must be a finite number"),
        ("reference", "\0", "must not contain a zero byte"),
        ("version", 99, "must be 1"),
        ("mode", "live", "is not a field of this event"),
        ("type", "§", "is not a known event type"),
    ],
)
def test_what_a_refusal_says(field: str, value: Any, problem: str) -> None:
    """The error is one sentence that says what is expected and contains no part of the value."""
    assert str(_refusal(json.dumps({**_GOOD, field: value}))) == f"{field}: {problem}"


def test_a_refusal_hides_what_pydantic_knows() -> None:
    """The error has no chained exception, because a traceback would show the value."""
    refusal = _refusal(json.dumps({**_GOOD, "amount": "QXZ12345678"}))
    assert refusal.__cause__ is None
    assert refusal.__suppress_context__


def test_a_refusal_is_a_value_error_of_ours() -> None:
    """The error is a ``ValueError`` and a ``BotliveError``."""
    refusal = _refusal("")
    assert isinstance(refusal, ValueError)
    assert isinstance(refusal, BotliveError)


@given(text=st.text() | st.binary())
def test_any_text_is_an_event_or_refused(text: str | bytes) -> None:
    """Any text gives an event or ``InvalidEvent``."""
    assert _refusal(text).field in {"json", "type"}


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)


@given(event=strategies.events(st.just("shop")), data=st.data())
def test_any_value_in_any_field_is_accepted_or_refused_by_name(event: Event, data: st.DataObject) -> None:
    """With any value in one field, the error names that field and no other."""
    content = event.content()
    name = data.draw(st.sampled_from(sorted(content)))
    text = json.dumps({**content, name: data.draw(_JSON)})
    try:
        blamed = None if type(parse_event(text)) is type(event) else "another type"
    except InvalidEvent as refusal:
        blamed = refusal.field.partition(".")[0]
    # pydantic refuses an integer of thousands of digits and a lone surrogate as JSON.
    assert blamed in {None, name, "json"}


def test_a_text_with_many_colons_is_no_wide_object() -> None:
    """It is looked at first, and then read like any other."""
    event = PaymentIssue(company_id="shop", user_id="+2250700000000", issue_type="x", message=":" * 6_000)
    assert parse_event(event.model_dump_json(exclude_none=True)) == event
