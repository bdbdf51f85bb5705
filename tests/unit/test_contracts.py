"""The contracts: which values an event accepts, in Python and in JSON, and what an error says."""

import json
import math
import traceback
from collections.abc import Callable
from copy import deepcopy
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from itertools import product
from typing import Any, get_args
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from events import (
    AnyEvent,
    Event,
    EventType,
    InvalidEvent,
    Item,
    LiveToggled,
    OrderCompleted,
    PaymentIssue,
    PaymentValidated,
    parse_event,
)
from events.contracts import own_fields
from tests import strategies

_PHONE = "+2250700000000"
_ID = UUID("019a9fb0-0000-7000-8000-000000000001")
_CONVERSATION = UUID("7e82d821-1dbf-428b-9b90-c4963d0822e0")

_CLASSES: dict[str, type[Event]] = {
    "payment_validated": PaymentValidated,
    "payment_issue": PaymentIssue,
    "order_completed": OrderCompleted,
    "live_toggled": LiveToggled,
}
_OWN: dict[str, dict[str, Any]] = {
    "payment_validated": {"user_id": _PHONE, "amount": 2000, "reference": "WAVE-123"},
    "payment_issue": {
        "user_id": _PHONE,
        "issue_type": "payment_insufficient",
        "message": "Montant insuffisant",
        "detected_amount": 500,
        "required_amount": 2000,
    },
    "order_completed": {
        "user_id": _PHONE,
        "customer_name": "Awa",
        "total_amount": 12000,
        "items": [{"name": "Pagne", "quantity": 2, "price": 6000}],
        "zone": "Yopougon",
        "phone": "+2250500000000",
    },
    "live_toggled": {"enabled": True, "mode": "live"},
}
_OPTIONAL = {
    "event_id",
    "version",
    "occurred_at",
    "conversation_id",
    "detected_amount",
    "required_amount",
    "customer_name",
    "zone",
    "phone",
    "mode",
}
_TYPES = sorted(_CLASSES)
_IDENTIFIERS = [(kind, "company_id") for kind in _TYPES] + [
    (kind, "user_id") for kind in _TYPES if "user_id" in _OWN[kind]
]
_NAMES = [
    ("payment_validated", "reference"),
    ("payment_issue", "issue_type"),
    ("order_completed", "customer_name"),
    ("order_completed", "zone"),
    ("order_completed", "phone"),
    ("order_completed", "items.0.name"),
]
_TEXTS = [*_NAMES, ("payment_issue", "message")]
_REQUIRED_AMOUNTS = [
    ("payment_validated", "amount"),
    ("order_completed", "total_amount"),
    ("order_completed", "items.0.price"),
]
_AMOUNTS = [
    *_REQUIRED_AMOUNTS,
    ("payment_issue", "detected_amount"),
    ("payment_issue", "required_amount"),
]

Build = Callable[..., Event]
"""Creates an event of a type from fields, or raises ``InvalidEvent``."""


def _fields(kind: str) -> dict[str, Any]:
    return {
        "event_id": str(_ID),
        "version": 1,
        "company_id": "shop",
        "occurred_at": "2026-11-20T08:00:00Z",
        "conversation_id": str(_CONVERSATION),
        **deepcopy(_OWN[kind]),
    }


def _with(kind: str, path: str, value: Any) -> dict[str, Any]:
    """Returns the type's example with another value at the path (``items.0.name``)."""
    fields = _fields(kind)
    place: Any = fields
    *parents, last = path.split(".")
    for parent in parents:
        place = place[int(parent)] if parent.isdigit() else place[parent]
    place[last] = value
    return fields


def _at(event: Event, path: str) -> Any:
    place: Any = event
    for part in path.split("."):
        place = place[int(part)] if part.isdigit() else getattr(place, part)
    return place


def _in_python(kind: str, fields: dict[str, Any]) -> Event:
    try:
        return _CLASSES[kind](**fields)
    except ValidationError as error:
        first = error.errors()[0]
        raise InvalidEvent(".".join(map(str, first["loc"])), first["msg"]) from None


def _in_json(kind: str, fields: dict[str, Any]) -> Event:
    return parse_event(json.dumps({"type": kind, **fields}))


@pytest.fixture(params=[_in_python, _in_json], ids=["python", "json"])
def build(request: pytest.FixtureRequest) -> Build:
    """The two ways to create an event, which must agree."""
    made: Build = request.param
    return made


def _refused(build: Build, kind: str, fields: dict[str, Any]) -> str:
    """Returns the field that the error names."""
    with pytest.raises(InvalidEvent) as refusal:
        build(kind, fields)
    return refusal.value.field


def test_every_type_has_its_class() -> None:
    """`EventType` and `AnyEvent` name the same types."""
    classes = get_args(get_args(AnyEvent)[0])
    assert {kind.model_fields["type"].default for kind in classes} == set(get_args(EventType))


@pytest.mark.parametrize("kind", _TYPES)
def test_the_example_of_each_type_is_accepted(build: Build, kind: str) -> None:
    """Every field keeps its value; ids are ``UUID`` and times are ``datetime``."""
    event = build(kind, _fields(kind))

    assert type(event) is _CLASSES[kind]
    assert event.type == kind
    assert event.event_id == _ID
    assert event.version == 1
    assert event.company_id == "shop"
    assert event.occurred_at == datetime(2026, 11, 20, 8, tzinfo=UTC)
    assert event.conversation_id == _CONVERSATION
    assert own_fields(event.content()) == _OWN[kind]


@pytest.mark.parametrize("kind", _TYPES)
def test_what_may_be_left_out(build: Build, kind: str) -> None:
    """An event is valid without its optional fields, and its content leaves them out."""
    required = {name: value for name, value in _fields(kind).items() if name not in _OPTIONAL}
    event = build(kind, required)

    absent = {"conversation_id", "detected_amount", "required_amount", "zone", "phone"}
    assert not absent & event.content().keys()
    assert event.version == 1
    assert abs(event.occurred_at - datetime.now(UTC)) < timedelta(minutes=1)
    assert event.conversation_id is None


@pytest.mark.parametrize(
    ("kind", "field"),
    [(kind, field) for kind in _TYPES for field in ("company_id", *_OWN[kind]) if field not in _OPTIONAL],
)
def test_what_must_be_there(build: Build, kind: str, field: str) -> None:
    """The error names a required field that is missing or null."""
    fields = _fields(kind)
    del fields[field]
    assert _refused(build, kind, fields) == field
    assert _refused(build, kind, _with(kind, field, None)) == field


@pytest.mark.parametrize("kind", _TYPES)
def test_unknown_fields_are_refused(build: Build, kind: str) -> None:
    """An unknown field is refused, and the error names it."""
    assert _refused(build, kind, {**_fields(kind), "colour": "red"}) == "colour"


def test_unknown_fields_of_an_item_are_refused(build: Build) -> None:
    """The items of an order refuse unknown fields too."""
    fields = _with("order_completed", "items.0.colour", "red")
    assert _refused(build, "order_completed", fields) == "items.0.colour"


@pytest.mark.parametrize("kind", _TYPES)
def test_events_are_frozen(kind: str) -> None:
    """No field of an event or of an item can be changed."""
    event = _in_python(kind, _fields(kind))
    for field in type(event).model_fields:
        with pytest.raises(ValidationError):
            setattr(event, field, getattr(event, field))
        with pytest.raises(ValidationError):
            delattr(event, field)
    assert hash(event) == hash(_in_json(kind, _fields(kind)))


def test_an_orders_lines_are_frozen() -> None:
    """The items are in a tuple, and each item is frozen."""
    order = _in_python("order_completed", _fields("order_completed"))
    assert isinstance(order, OrderCompleted)
    assert isinstance(order.items, tuple)
    with pytest.raises(ValidationError):
        order.items[0].price = 1


@pytest.mark.parametrize(("kind", "field"), _IDENTIFIERS)
@pytest.mark.parametrize("value", ["x", "x" * 128, "é" * 128, " ", "🧵"])
def test_ids_given_by_botlive(build: Build, kind: str, field: str, value: str) -> None:
    """The id of a shop or a customer has 1 to 128 characters (not bytes) and is not changed."""
    assert _at(build(kind, _with(kind, field, value)), field) == value


@pytest.mark.parametrize(("kind", "field"), _IDENTIFIERS)
@pytest.mark.parametrize("value", ["", "x" * 129, 2250700000000, 1.5, True, None, ["x"], {"x": 1}])
def test_ids_that_are_none(build: Build, kind: str, field: str, value: Any) -> None:
    """An id that is empty, too long or not a text is refused and never converted."""
    assert _refused(build, kind, _with(kind, field, value)) == field


@pytest.mark.parametrize(("kind", "field"), _NAMES)
def test_names_have_a_limit(build: Build, kind: str, field: str) -> None:
    """Names, references, places and phone numbers have at most 1,024 characters."""
    text = "é" * 1_024
    assert _at(build(kind, _with(kind, field, text)), field) == text
    assert _refused(build, kind, _with(kind, field, text + "é")) == field


def test_a_message_has_a_limit(build: Build) -> None:
    """A message has at most 65,536 characters, which is the limit of WhatsApp."""
    text = "é" * 65_536
    event = build("payment_issue", _with("payment_issue", "message", text))
    assert _at(event, "message") == text
    assert _refused(build, "payment_issue", _with("payment_issue", "message", text + "é")) == "message"


@pytest.mark.parametrize(("kind", "field"), _TEXTS)
@pytest.mark.parametrize("value", [5, 1.5, True, ["x"], {"x": 1}])
def test_texts_are_texts(build: Build, kind: str, field: str, value: Any) -> None:
    """A value that is not a text is refused and never converted."""
    assert _refused(build, kind, _with(kind, field, value)) == field


@pytest.mark.parametrize(
    ("kind", "field"), [("payment_validated", "reference"), ("payment_issue", "message")]
)
def test_texts_that_may_be_empty(build: Build, kind: str, field: str) -> None:
    """A reference and a message may be empty."""
    assert _at(build(kind, _with(kind, field, "")), field) == ""


@pytest.mark.parametrize(
    ("kind", "field"),
    [
        *_IDENTIFIERS,
        *_TEXTS,
        ("live_toggled", "mode"),
        ("live_toggled", "event_id"),
        ("live_toggled", "occurred_at"),
        ("live_toggled", "conversation_id"),
    ],
)
@pytest.mark.parametrize("where", ["\0{}", "{}\0", "a\0{}", "\0"])
def test_a_zero_byte_is_refused_anywhere(build: Build, kind: str, field: str, where: str) -> None:
    """A zero byte is refused at any place in a text, because PostgreSQL cannot store it."""
    value = where.format(_at(_in_python(kind, _fields(kind)), field))
    assert _refused(build, kind, _with(kind, field, value)) == field


def test_a_lone_surrogate_is_refused(build: Build) -> None:
    """A lone surrogate is refused, because Redis and PostgreSQL cannot store it."""
    fields = _with("payment_validated", "reference", "\ud800")
    assert _refused(build, "payment_validated", fields) in {"reference", "json"}


@pytest.mark.parametrize(("kind", "field"), _AMOUNTS)
@pytest.mark.parametrize(
    ("given_", "kept"),
    [
        (0, 0),
        (-0.0, 0),
        (2000, 2000),
        (2000.0, 2000),
        (2000.5, 2000.5),
        (0.1, 0.1),
        (1e-7, 1e-7),
        (1e22, 10**22),
        (2**63, 2**63),
        (10**300, 10**300),
    ],
)
def test_amounts(build: Build, kind: str, field: str, given_: float, kept: float) -> None:
    """An amount may be any number that fits a double; a whole number becomes an int."""
    amount = _at(build(kind, _with(kind, field, given_)), field)
    assert amount == kept
    assert type(amount) is type(kept)


@pytest.mark.parametrize(("kind", "field"), _AMOUNTS)
@pytest.mark.parametrize(
    ("given_", "kept"), [("0.00", 0), ("2000", 2000), ("2000.50", 2000.5), ("1E+3", 1000), ("0.10", 0.1)]
)
def test_amounts_as_decimals(kind: str, field: str, given_: str, kept: float) -> None:
    """In Python an amount may be a Decimal; it becomes an int or float with the same value."""
    amount = _at(_in_python(kind, _with(kind, field, Decimal(given_))), field)
    assert amount == kept
    assert type(amount) is type(kept)


@pytest.mark.parametrize(("kind", "field"), _AMOUNTS)
@pytest.mark.parametrize(
    "value",
    [
        "2000",
        "",
        "NaN",
        True,
        False,
        -1,
        -0.01,
        math.nan,
        math.inf,
        -math.inf,
        10**400,
        [2000],
        {"amount": 1},
    ],
)
def test_amounts_that_are_none(build: Build, kind: str, field: str, value: Any) -> None:
    """Texts, booleans, negative and infinite numbers, NaN and other values are refused."""
    assert _refused(build, kind, _with(kind, field, value)) == field


@pytest.mark.parametrize(("kind", "field"), _AMOUNTS)
@pytest.mark.parametrize(
    "value",
    [*map(Decimal, ("NaN", "sNaN", "Infinity", "-Infinity", "-1", "-0.01", "1E+400")), b"2000", 1j],
)
def test_amounts_that_only_python_knows_and_that_are_none(kind: str, field: str, value: Any) -> None:
    """Decimals have the same limits as other numbers; bytes and complex numbers are refused."""
    assert _refused(_in_python, kind, _with(kind, field, value)) == field


@given(amount=strategies.amounts)
def test_an_amount_is_the_same_number_in_python_and_in_json(amount: float | Decimal) -> None:
    """The number keeps the precision of a double, and Python and JSON give the same event."""
    event = _in_python("payment_validated", _with("payment_validated", "amount", amount))
    assert isinstance(event, PaymentValidated)
    assert type(event.amount) in {int, float}
    assert event.amount == (amount if isinstance(amount, int) else float(amount))

    text = json.dumps(_with("payment_validated", "amount", "AMOUNT") | {"type": "payment_validated"})
    assert parse_event(text.replace('"AMOUNT"', str(amount))) == event


@pytest.mark.parametrize("given_", [{}, {"customer_name": ""}, {"customer_name": None}])
@pytest.mark.parametrize(
    ("user_id", "name"), [(_PHONE, "0000"), ("+2250700001234", "1234"), ("abc", "abc"), ("é", "é")]
)
def test_a_customer_without_a_name(build: Build, given_: dict[str, Any], user_id: str, name: str) -> None:
    """If the name is missing or empty, it becomes the last four characters of the customer's id."""
    fields = _with("order_completed", "user_id", user_id)
    del fields["customer_name"]
    assert _at(build("order_completed", fields | given_), "customer_name") == name


def test_a_customer_with_a_name(build: Build) -> None:
    """A given name is kept."""
    fields = _with("order_completed", "customer_name", "Awa Koné")
    assert _at(build("order_completed", fields), "customer_name") == "Awa Koné"


@pytest.mark.parametrize("number", [1, 2, 1_000])
def test_orders_have_lines(build: Build, number: int) -> None:
    """An order has 1 to 1,000 items, and keeps their order."""
    lines: list[dict[str, Any]] = [
        {"name": f"line {n}", "quantity": n + 1, "price": n} for n in range(number)
    ]
    order = build("order_completed", _with("order_completed", "items", lines))
    assert _at(order, "items") == tuple(Item(**line) for line in lines)


@pytest.mark.parametrize(
    "lines", [[], [{"name": "x", "quantity": 1, "price": 1}] * 1_001, None, "x", 5, {"name": "x"}]
)
def test_orders_without_lines_or_with_too_many(build: Build, lines: Any) -> None:
    """No items, more than 1,000 items, or a value that is not a list is refused."""
    assert _refused(build, "order_completed", _with("order_completed", "items", lines)) == "items"


@pytest.mark.parametrize("quantity", [1, 2, 2**31 - 1])
def test_quantities(build: Build, quantity: int) -> None:
    """A quantity is a whole number from 1 to the maximum of PostgreSQL's integer."""
    order = build("order_completed", _with("order_completed", "items.0.quantity", quantity))
    assert _at(order, "items.0.quantity") == quantity


@pytest.mark.parametrize("quantity", [0, -1, 2**31, 1.0, 1.5, "1", True, None, math.nan])
def test_quantities_that_are_none(build: Build, quantity: Any) -> None:
    """A quantity that is below 1, too large or not a whole number is refused and never converted."""
    fields = _with("order_completed", "items.0.quantity", quantity)
    assert _refused(build, "order_completed", fields) == "items.0.quantity"


@pytest.mark.parametrize("field", ["name", "quantity", "price"])
def test_a_line_is_whole(build: Build, field: str) -> None:
    """An item needs a name, a quantity and a price; the error names the item that lacks one."""
    fields = _fields("order_completed")
    fields["items"] = [*fields["items"], {**fields["items"][0]}]
    del fields["items"][1][field]
    assert _refused(build, "order_completed", fields) == f"items.1.{field}"


@pytest.mark.parametrize("enabled", [True, False])
@pytest.mark.parametrize("mode", ["live", "rag"])
def test_toggles(build: Build, enabled: bool, mode: str) -> None:
    """A toggle is on or off, in the mode live or rag."""
    event = build("live_toggled", _fields("live_toggled") | {"enabled": enabled, "mode": mode})
    assert (_at(event, "enabled"), _at(event, "mode")) == (enabled, mode)


def test_a_toggles_mode_is_live_by_default(build: Build) -> None:
    """The default mode of a toggle is live."""
    fields = _fields("live_toggled")
    del fields["mode"]
    assert _at(build("live_toggled", fields), "mode") == "live"


@pytest.mark.parametrize("enabled", ["peut-être", "true", 1, 0, 1.0, None, []])
def test_toggles_that_are_neither_on_nor_off(build: Build, enabled: Any) -> None:
    """``enabled`` must be true or false."""
    assert _refused(build, "live_toggled", _with("live_toggled", "enabled", enabled)) == "enabled"


@pytest.mark.parametrize("mode", ["LIVE", "", "chat", None, 1, True])
def test_modes_that_are_none(build: Build, mode: Any) -> None:
    """The mode must be live or rag."""
    assert _refused(build, "live_toggled", _with("live_toggled", "mode", mode)) == "mode"


@pytest.mark.parametrize("kind", _TYPES)
@pytest.mark.parametrize("version", [0, 2, 99, -1, "1", None, 1.5, [1]])
def test_other_versions_are_refused(build: Build, kind: str, version: Any) -> None:
    """This release knows version 1."""
    assert _refused(build, kind, _with(kind, "version", version)) == "version"


@pytest.mark.parametrize("kind", _TYPES)
def test_a_class_is_of_its_type_only(kind: str) -> None:
    """A class refuses the name of another type."""
    other = next(name for name in _TYPES if name != kind)
    assert _refused(_in_python, kind, _fields(kind) | {"type": other}) == "type"


@pytest.mark.parametrize("field", ["event_id", "conversation_id"])
@pytest.mark.parametrize("value", ["not-a-uuid", "", str(_ID)[:-1], str(_ID) + "0", 5, True, [], _PHONE])
def test_uuids_that_are_none(build: Build, field: str, value: Any) -> None:
    """A value that is not a UUID is refused."""
    assert _refused(build, "live_toggled", _with("live_toggled", field, value)) == field


def test_uuids_in_python() -> None:
    """In Python an id may be a ``UUID``."""
    event = LiveToggled(event_id=_ID, conversation_id=_CONVERSATION, company_id="shop", enabled=True)
    assert (event.event_id, event.conversation_id) == (_ID, _CONVERSATION)


@pytest.mark.parametrize("kind", _TYPES)
def test_24_hours_ahead_is_accepted_and_more_is_not(build: Build, kind: str) -> None:
    """An event at most 24 hours in the future is accepted; a later one is refused."""
    day = datetime.now(UTC) + timedelta(hours=24)
    near, far = day - timedelta(minutes=1), day + timedelta(minutes=1)
    assert build(kind, _with(kind, "occurred_at", near.isoformat())).occurred_at == near
    for later in (far, far.astimezone(timezone(timedelta(hours=-11))), far.replace(year=9998)):
        assert _refused(build, kind, _with(kind, "occurred_at", later.isoformat())) == "occurred_at"


def test_the_past_is_accepted(build: Build) -> None:
    """An event of any past time is accepted."""
    event = build("live_toggled", _with("live_toggled", "occurred_at", "1970-01-01T00:00:00Z"))
    assert event.occurred_at == datetime(1970, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    "value",
    [
        "2026-11-20T08:00:00",
        "2026-11-20 08:00:00.5",
        "2026-11-20",
        "08:00:00Z",
        "2026-13-20T08:00:00Z",
        "2026-11-20T25:00:00Z",
        "2026-11-20T08:00:00+24:00",
        "2026-11-20T08:00:00Z and more",
        "0001-01-01T00:00:00+14:00",
        "9999-12-31T23:59:59-14:00",
        "1700000000",
        1_700_000_000,
        1.7e9,
        "",
        "hier",
        True,
        None,
        [],
    ],
)
def test_instants_that_are_none(build: Build, value: Any) -> None:
    """A time without a zone, a date, a number of seconds or any other value is refused."""
    assert _refused(build, "live_toggled", _with("live_toggled", "occurred_at", value)) == "occurred_at"


# The test needs a time without a zone.
@pytest.mark.parametrize("value", [datetime(2026, 11, 20, 8), date(2026, 11, 20)])
def test_naive_times_of_python_are_refused(value: date) -> None:
    """A naive datetime and a date are refused."""
    fields = _with("live_toggled", "occurred_at", value)
    assert _refused(_in_python, "live_toggled", fields) == "occurred_at"


@given(
    instant=st.datetimes(datetime(1970, 1, 2), datetime(2026, 11, 1)),
    offset=st.integers(-14 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes))),
)
def test_time_zones_are_normalised(instant: datetime, offset: timezone) -> None:
    """A time with any zone is converted to UTC, in Python and in JSON."""
    aware = instant.replace(tzinfo=offset)
    kept = [
        _in_python("live_toggled", _with("live_toggled", "occurred_at", aware)).occurred_at,
        _in_json("live_toggled", _with("live_toggled", "occurred_at", aware.isoformat())).occurred_at,
    ]
    for occurred_at in kept:
        assert occurred_at == aware
        assert occurred_at.tzinfo is UTC or occurred_at.utcoffset() == timedelta(0)
        assert occurred_at.replace(tzinfo=None) == instant - (offset.utcoffset(None) or timedelta(0))
    assert len({instant.isoformat() for instant in kept}) == 1


_MARKED_TEXTS = [  # fields that refuse any text
    *_AMOUNTS,
    ("order_completed", "items.0.quantity"),
    ("order_completed", "items"),
    ("order_completed", "items.0"),
    ("live_toggled", "enabled"),
    ("live_toggled", "mode"),
    *product(_TYPES, ["event_id", "conversation_id", "occurred_at", "version"]),
]


def _told(kind: str, fields: dict[str, Any]) -> tuple[str, str]:
    """Returns everything that the error says, in Python and in JSON."""
    with pytest.raises(ValidationError) as in_python:
        _CLASSES[kind](**fields)
    with pytest.raises(InvalidEvent) as in_json:
        _in_json(kind, fields)
    errors: list[Exception] = [in_python.value, in_json.value]
    told = [
        f"{error!s} {error!r} {error.args!r} {''.join(traceback.format_exception(error))}" for error in errors
    ]
    return told[0], told[1]


def _replace(kind: str, path: str, value: Any) -> dict[str, Any]:
    if path == "items.0":
        return _with(kind, "items", [value])
    return _with(kind, path, value)


@given(where=st.sampled_from(_MARKED_TEXTS), marker=st.from_regex(r"[QXZ]{4}[0-9]{8}", fullmatch=True))
def test_an_error_names_the_field_and_never_the_text_in_it(where: tuple[str, str], marker: str) -> None:
    """A wrong text in a field is not in the message, the repr or the traceback."""
    kind, path = where
    for text in (marker, f"+225{marker}", f"2026-11-20T08:00:00Z{marker}"):
        for told in _told(kind, _replace(kind, path, text)):
            assert path in told
            assert marker not in told


@given(where=st.sampled_from([*_IDENTIFIERS, *_TEXTS]), marker=st.integers(10**11, 10**14))
def test_an_error_names_the_field_and_never_the_number_in_it(where: tuple[str, str], marker: int) -> None:
    """The error does not show a wrong number, a text that is too long, or a text with a zero byte."""
    kind, path = where
    for value in (marker, float(marker), f"{marker}\0", f"{marker}" * 6_000, [marker], {"user_id": marker}):
        for told in _told(kind, _replace(kind, path, value)):
            assert path in told
            assert str(marker) not in told


@given(where=st.sampled_from(_AMOUNTS), marker=st.integers(10**11, 10**14))
def test_an_error_never_tells_the_amount(where: tuple[str, str], marker: int) -> None:
    """The error does not show a refused amount."""
    kind, path = where
    for value in (-marker, -marker / 3, marker * 10**310, [marker]):
        for told in _told(kind, _with(kind, path, value)):
            assert path in told
            assert str(marker)[:11] not in told


@given(kind=st.sampled_from(_TYPES), marker=st.from_regex(r"[QXZ]{4}[0-9]{8}", fullmatch=True))
def test_an_error_never_tells_what_stands_in_an_unknown_field(kind: str, marker: str) -> None:
    """The error names an unknown field, but shows neither its value nor the values of other fields."""
    fields = _fields(kind) | {"colour": marker}
    fields |= {"user_id": marker} if "user_id" in fields else {}
    for told in _told(kind, fields):
        assert "colour" in told
        assert marker not in told


@given(event=strategies.events(st.just("shop")), data=st.data())
def test_equal_contents_have_one_digest_however_written(event: Event, data: st.DataObject) -> None:
    """The digest ignores key order, spaces, the case of ids, the time zone, and null instead of absent."""
    fields = event.model_dump(mode="json", exclude_none=data.draw(st.booleans()))
    fields["event_id"] = data.draw(st.sampled_from([str(event.event_id), str(event.event_id).upper()]))
    zone = timezone(timedelta(minutes=data.draw(st.integers(-720, 720))))
    fields["occurred_at"] = event.occurred_at.astimezone(zone).isoformat()
    for name in ("amount", "total_amount", "detected_amount", "required_amount"):
        if isinstance(fields.get(name), int):
            fields[name] = float(fields[name])
    names = data.draw(st.permutations(sorted(fields)))
    indent = data.draw(st.sampled_from([None, 0, 3]))
    escape = data.draw(st.booleans())
    written = json.dumps({name: fields[name] for name in names}, indent=indent, ensure_ascii=escape)

    again = parse_event(written)

    assert again == event
    assert again.digest() == event.digest()
    assert again.model_dump_json() == event.model_dump_json()


@pytest.mark.parametrize("kind", _TYPES)
def test_other_contents_have_another_digest(kind: str) -> None:
    """A change of any field changes the digest."""
    other: dict[str, Any] = {
        "event_id": str(_CONVERSATION),
        "conversation_id": str(_ID),
        "occurred_at": "2026-11-20T08:00:00.000001Z",
        "items": [{"name": "Pagne", "quantity": 2, "price": 6000.5}],
        "enabled": False,
        "mode": "rag",
    }
    fields = _fields(kind)
    digests = {_in_json(kind, fields).digest()}
    changeable = fields.keys() - {"version"}
    for name in changeable:
        value = fields[name]
        changed = other.get(name, value + 1 if isinstance(value, int) else f"{value}?")
        digests.add(_in_json(kind, fields | {name: changed}).digest())

    assert len(digests) == 1 + len(changeable)
    assert all(len(digest) == 64 and int(digest, 16) for digest in digests)


def test_the_digest_stays_the_same_over_releases() -> None:
    """The digest of an event never changes, because the inbox stores digests forever."""
    event = _in_python("payment_validated", _fields("payment_validated"))
    assert event.digest() == "f96d2feb7907c5dacc79b48987851e4837cad27574512ceffd5ff6bb141ce94e"


@given(event=strategies.events(st.just("shop")))
def test_the_content_is_json_and_the_event_again(event: Event) -> None:
    """The content is JSON without nulls, and parsing it gives the same event."""
    content = event.content()
    assert None not in content.values()
    assert parse_event(json.dumps(content)) == event
    shared = {"event_id", "type", "version", "company_id", "occurred_at", "conversation_id"}
    assert own_fields(event.content()) == {name: content[name] for name in content.keys() - shared}


@pytest.mark.parametrize("zone", ["+00", "+00:00", "Z"])
@pytest.mark.parametrize("fraction", ["", ".25"])
def test_a_zone_may_be_whole_hours(zone: str, fraction: str) -> None:
    """A time in PostgreSQL's format for timestamptz is accepted."""
    event = PaymentValidated(
        company_id="shop",
        user_id="+225",
        amount=1,
        reference="",
        occurred_at=f"2025-11-20 09:30:00{fraction}{zone}",  # type: ignore[arg-type] # text is read
    )
    assert event.occurred_at.isoformat().startswith("2025-11-20T09:30:00")
