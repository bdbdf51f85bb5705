"""The caller's idempotency key: which event id it gives, and which events are then equal."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import pytest
from pydantic import ValidationError

from events import Event, InvalidEvent, PaymentIssue, PaymentValidated, parse_event
from events.contracts import own_fields
from events.fields import LONGEST_NAME
from events.identity import keyed_id
from events.publishing.call import Call

_KEY = "wamid.1"
_FIELDS = {"company_id": "shop", "user_id": "+2250700000000", "amount": 2000, "reference": "WAVE-123"}
_MADE = UUID("31b6a52c-9bae-5cc1-bbe5-fd6bb7bfdca2")


def _in_python(**fields: Any) -> Event:
    return PaymentValidated(**{**_FIELDS, **fields})


def _in_json(**fields: Any) -> Event:
    return parse_event(json.dumps({"type": "payment_validated", **_FIELDS, **fields}))


@pytest.fixture(params=[_in_python, _in_json], ids=["python", "json"])
def build(request: pytest.FixtureRequest) -> Callable[..., Event]:
    """The two ways to create an event, which must agree."""
    made: Callable[..., Event] = request.param
    return made


def test_a_key_makes_the_id(build: Callable[..., Event]) -> None:
    """A key gives the same id in every release. Otherwise events would be persisted twice."""
    event = build(key=_KEY)
    assert event.event_id == _MADE
    assert event.event_id.version == 5
    assert "event_id" in event.model_fields_set


def test_an_event_that_was_written_is_read_back(build: Callable[..., Event]) -> None:
    """A JSON text with the key and its id is read back."""
    event = build(key=_KEY)
    assert parse_event(event.model_dump_json(exclude_none=True)) == event


def test_an_id_that_is_not_the_keys_is_refused(build: Callable[..., Event]) -> None:
    """An id that differs from the key's id is refused; the error names the field and quotes no value."""
    with pytest.raises(ValueError, match="event_id") as refusal:
        build(key=_KEY, event_id=str(uuid4()))
    assert _KEY not in str(refusal.value)
    if isinstance(refusal.value, InvalidEvent):
        assert refusal.value.field == "event_id"
    else:
        assert isinstance(refusal.value, ValidationError)


@pytest.mark.parametrize("key", ["", "x" * (LONGEST_NAME + 1), "a\0", 7, True, ["x"]])
def test_a_key_that_is_none_is_refused(build: Callable[..., Event], key: Any) -> None:
    """The error names ``key``, which must be a text of 1 to 1,024 characters."""
    with pytest.raises(ValueError, match="key"):
        build(key=key)


def test_without_a_key_nothing_is_changed(build: Callable[..., Event]) -> None:
    """Without a key, ids are new and digests are the same as in releases without keys."""
    assert build().event_id != build().event_id
    event = build(event_id="019a9fb0-0000-7000-8000-000000000001", occurred_at="2026-11-20T08:00:00Z")
    assert event.digest() == "113d3c9a259907bb2b8dde79c12cdabbb79df6455addf0ae680ec8c626a1f7c6"
    assert Call.of(event).fingerprint == "04a30b2df59e6686"
    assert "key" not in event.content()


def test_no_two_shops_or_types_share_an_id() -> None:
    """Different shops, types or keys give different ids, even if their joined texts are equal."""
    parts = [
        ("a", "b", "c"),
        ("x", "b", "c"),
        ("a", "x", "c"),
        ("a", "b", "x"),
        ("ab", "", "c"),
        ("a", "bc", ""),
    ]
    parts += [('a", "b', "b", "c"), ("a", 'b", "b', "c")]
    assert len({keyed_id(*each) for each in parts}) == len(parts)
    issue = PaymentIssue(company_id="shop", user_id="x", issue_type="other", message="", key=_KEY)
    assert issue.event_id != _MADE


def test_when_it_occurred_is_no_part_of_its_content() -> None:
    """With a key, the time is not part of the content, but the amount is, for the queue and the inbox."""
    later = datetime(2026, 11, 20, tzinfo=UTC)
    first, second, other = (
        _in_python(key=_KEY),
        _in_python(key=_KEY, occurred_at=later),
        _in_python(key=_KEY, amount=5),
    )
    assert first.digest() == second.digest() != other.digest()
    assert Call.of(first).fingerprint == Call.of(second).fingerprint != Call.of(other).fingerprint
    assert first.occurred_at != second.occurred_at
    assert json.loads(Call.of(second).data)[2][0]["occurred_at"].startswith("2026-11-20T00:00:00")


def test_the_key_is_not_shown_to_the_owner() -> None:
    """The key is not in ``metadata``, because an id of WhatsApp contains a phone number."""
    assert "key" not in own_fields(_in_python(key=_KEY).content())


def test_what_fits_no_contract_is_known_by_its_key_too() -> None:
    """A wrong payload with a key keeps its id and content; without a valid key it gets a new id."""
    wrong = {**_FIELDS, "amount": "12 000 FCFA"}
    first, second = (Call.unchecked(None, "payment_validated", {**wrong, "key": _KEY}) for _ in range(2))
    assert (first.event_id, first.fingerprint) == (second.event_id, second.fingerprint)
    assert first.event_id == _MADE
    assert (
        first.fingerprint != Call.unchecked(None, "payment_validated", {**_FIELDS, "key": _KEY}).fingerprint
    )
    for payload in (
        wrong,
        {**wrong, "key": ""},
        {**wrong, "key": 7},
        {**wrong, "key": _KEY, "company_id": None},
    ):
        calls = [Call.unchecked(None, "payment_validated", payload) for _ in range(2)]
        assert calls[0].event_id != calls[1].event_id
