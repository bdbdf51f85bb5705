"""The form of rows for the chat and the front end."""

import time
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dashboard.shapes import active_order, activity, relative_time

NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
PHONE = "+2250700000000"
ORDER: dict[str, Any] = {
    "customer_name": "Awa",
    "total_amount": 12000.00,
    "items": [{"name": "Couches bébé", "quantity": 2, "price": 6000}, {"name": "Savon"}],
    "metadata": {"user_id": PHONE, "zone": "Cocody", "phone": "0700000000"},
    "created_at": "2026-11-20T09:30:00+00:00",
}


def shown(**changes: Any) -> dict[str, Any]:
    """Returns a full order with these columns changed, as it is shown."""
    return dict(active_order({**ORDER, **changes}))


@pytest.mark.parametrize(
    ("ago", "text"),
    [
        (timedelta(0), "il y a quelques secondes"),
        (timedelta(seconds=59.9), "il y a quelques secondes"),
        (timedelta(seconds=60), "il y a 1 min"),
        (timedelta(minutes=5), "il y a 5 min"),
        (timedelta(minutes=59, seconds=59), "il y a 59 min"),
        (timedelta(minutes=60), "il y a 1h"),
        (timedelta(hours=3, minutes=59), "il y a 3h"),
        (timedelta(hours=23, minutes=59), "il y a 23h"),
        (timedelta(hours=24), "il y a 1j"),
        (timedelta(days=2, hours=23), "il y a 2j"),
        (timedelta(days=400), "il y a 400j"),
        (timedelta(minutes=-10), "il y a quelques secondes"),
        (timedelta(days=-10), "il y a quelques secondes"),
    ],
)
def test_relative_time(ago: timedelta, text: str) -> None:
    """Whole minutes, hours or days, rounded down; a time in the future counts as now."""
    assert relative_time((NOW - ago).isoformat(), NOW) == text


@pytest.mark.parametrize(
    "written",
    ["2026-11-20T11:55:00", "2026-11-20 11:55:00Z", "2026-11-20T13:55:00.000000+02:00", "2026-11-20T11:55"],
)
def test_a_date_is_read_with_any_zone_and_without_one_as_utc(
    written: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A date is read in any format of PostgreSQL or of a person, in any local time zone."""
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    time.tzset()
    assert relative_time(written, NOW) == "il y a 5 min"
    monkeypatch.undo()
    time.tzset()


@pytest.mark.parametrize("written", ["", "hier", "infinity", "0044-03-15 BC", "2026-13-01", None, 5, {}, []])
def test_an_unreadable_date_is_recently(written: object) -> None:
    """An unreadable or missing date is shown as ``récemment``."""
    assert relative_time(written, NOW) == "récemment"


def test_an_activity_of_ours() -> None:
    """An activity shows the event's name, the title, the description and its age, and nothing else."""
    row = {
        "type": "order",
        "title": "Paiement validé: 2000 FCFA",
        "description": "Référence: WAVE-123",
        "metadata": {"event": "paiement_valide", "user_id": PHONE},
        "created_at": "2026-11-20T11:55:00+00:00",
    }
    assert activity(row, NOW) == {
        "type": "paiement_valide",
        "client": "Paiement validé: 2000 FCFA",
        "produit": "Référence: WAVE-123",
        "timestamp": "il y a 5 min",
    }


@pytest.mark.parametrize("metadata", [None, [], "event", {}, {"event": None}, {"event": 7}, {"event": " "}])
def test_an_activity_of_others_shows_its_column(metadata: Any) -> None:
    """Without an event in ``metadata``, the type is that of the column; missing values are empty."""
    assert activity({"type": "message", "title": None, "metadata": metadata}, NOW) == {
        "type": "message",
        "client": "",
        "produit": "",
        "timestamp": "récemment",
    }
    assert activity({}, NOW)["type"] == "info"


def test_a_full_order() -> None:
    """A full order shows the first item, the total, the zone and the phone number."""
    assert shown() == {
        "user_id": PHONE,
        "user_name": "Awa",
        "produit": "Couches bébé",
        "paiement": "✅ 12000 FCFA",
        "zone": "✅ Cocody",
        "numero": "✅ 0700000000",
        "completion_rate": 100,
        "created_at": "2026-11-20T09:30:00+00:00",
    }


def test_an_empty_order() -> None:
    """An order without any known value is still shown."""
    assert active_order({}) == {
        "user_id": "",
        "user_name": "",
        "produit": "",
        "paiement": "❌",
        "zone": "❌",
        "numero": "❌",
        "completion_rate": 0,
        "created_at": "",
    }


@pytest.mark.parametrize(
    ("missing", "rate"),
    [
        ({"items": []}, 75),
        ({"items": [], "total_amount": 0}, 50),
        ({"metadata": {"zone": "Cocody"}}, 75),
        ({"metadata": {"phone": "07"}, "total_amount": None}, 50),
        ({"metadata": None, "total_amount": None}, 25),
        ({"metadata": None, "total_amount": None, "items": None}, 0),
    ],
)
def test_completion_rate(missing: dict[str, Any], rate: int) -> None:
    """Each of produit, paiement, zone and numéro counts 25 %."""
    assert shown(**missing)["completion_rate"] == rate


@pytest.mark.parametrize(
    "items",
    [
        None,
        [],
        {},
        "Pagne",
        5,
        [None],
        ["Pagne"],
        [[]],
        [{}],
        [{"name": None}],
        [{"name": 5}],
        [{"name": ""}],
    ],
)
def test_a_product_that_is_not_known(items: Any) -> None:
    """Any value that is not a list whose first item has a name gives an empty product."""
    order = shown(items=items)
    assert (order["produit"], order["completion_rate"]) == ("", 75)


@pytest.mark.parametrize(
    ("total", "text"),
    [
        (12000, "✅ 12000 FCFA"),
        (12000.0, "✅ 12000 FCFA"),
        ("12000.00", "✅ 12000 FCFA"),
        (2000.5, "✅ 2000.5 FCFA"),
        ("0.10", "✅ 0.1 FCFA"),
        (5e-324, f"✅ 0.{'0' * 323}5 FCFA"),
        (0, "❌"),
        ("0.00", "❌"),
        (-5, "❌"),
        (None, "❌"),
        (True, "❌"),
        ("", "❌"),
        ("douze mille", "❌"),
        ("NaN", "❌"),
        ("sNaN", "❌"),
        ("Infinity", "❌"),
        (float("inf"), "❌"),
        (float("nan"), "❌"),
        ("1e999999999", "❌"),
        ("1e-999999999", "❌"),
        pytest.param(10**5000, "❌", id="thousands of digits"),
        ([12000], "❌"),
    ],
)
def test_a_payment(total: Any, text: str) -> None:
    """A tick and the amount are shown if the total is a number or text above 0."""
    order = shown(total_amount=total)
    assert order["paiement"] == text
    assert order["completion_rate"] == (100 if text != "❌" else 75)


@pytest.mark.parametrize(
    ("name", "user_name"),
    [
        ("Awa", "Awa"),
        ("Awa Koné 2", "Awa Koné 2"),
        ("0000", "0000"),
        (PHONE, "0000"),
        ("07 00 00 12 34", "2 34"),
        ("(225) 07000012-34 ", "2-34"),
        ("", ""),
        ("  ", ""),
        (None, ""),
        (5, ""),
    ],
)
def test_a_customers_name(name: Any, user_name: str) -> None:
    """The name is shown unchanged, but only the end of a phone number."""
    assert shown(customer_name=name)["user_name"] == user_name


@pytest.mark.parametrize("metadata", [None, [], "x", 5, {}, {"user_id": None}, {"user_id": 5, "zone": []}])
def test_an_order_made_before_us(metadata: Any) -> None:
    """Without usable ``metadata``, the id is the customer's name, and zone and phone number are unknown."""
    order = shown(metadata=metadata, customer_name=PHONE)
    assert (order["user_id"], order["user_name"]) == (PHONE, "0000")
    assert (order["zone"], order["numero"], order["completion_rate"]) == ("❌", "❌", 50)


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda values: st.lists(values, max_size=3) | st.dictionaries(st.text(), values, max_size=3),
    max_leaves=6,
)
_COLUMNS = [
    "type",
    "title",
    "description",
    "metadata",
    "created_at",
    "items",
    "total_amount",
    "customer_name",
]
_METADATA = st.dictionaries(st.sampled_from(["event", "user_id", "zone", "phone"]), _JSON)
_ITEMS = st.lists(st.dictionaries(st.sampled_from(["name", "price"]), _JSON))
_ROWS = st.dictionaries(st.sampled_from(_COLUMNS), _JSON | _METADATA | _ITEMS | st.datetimes().map(str))


@settings(max_examples=60)
@given(row=_ROWS)
def test_any_row_has_its_shape(row: dict[str, Any]) -> None:
    """Any row gives all keys with texts, and the rate agrees with the ticks."""
    happened, order = activity(row, NOW), dict(active_order(row))
    assert all(isinstance(value, str) for value in happened.values())
    rate = order.pop("completion_rate")
    assert all(isinstance(value, str) for value in order.values())
    ticks = [order[key] != "❌" for key in ("paiement", "zone", "numero")]
    assert rate == 25 * (sum(ticks) + (order["produit"] != ""))
