"""Personal data and secrets are masked; ids, times and digests are not."""

import time
from datetime import UTC, datetime
from hashlib import md5, sha1, sha256
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from events import PaymentIssue
from gateway.masking import MASK, PRIVATE, mask, mask_text

_ID = "019a9fb0-0000-7000-8000-000000000002"


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("+2250700000000", "***"),
        ("2250700000000", "***"),
        ("07000000", "***"),
        ("+225 07 00 00 00 00", "***"),
        ("07.00.00.00", "***"),
        ("77/123/45/67", "***"),
        ("00225 07 00 00 00 00", "***"),
        ("00221771234567", "***"),
        ("(+226) 70 12 34 56", "(***"),
        ("+223 (0)66 12 34 56", "***"),
        ("+228\u200090\u200a12 34 56", "***"),
        ("+229\u200901\u200997\u200912\u200934\u200956", "***"),
        ("0803\u2011123\u20114567", "***"),
        ("\u202a+234 803 123 4567\u202c", "\u202a***\u202c"),
        ("0\u200b7\u200b0\u200b0\u200b0\u200b0\u200b0\u200b0", "***"),
        ("\u0660\u0667" + "\u0660" * 8, "***"),
        ("+220 700 1234", "***"),
        ("shop-2250700000000", "shop-***"),
        ("2250700000000@c.us", "***@c.us"),
        ("%2B2250700000000", "%2B***"),
        ("redis://h:6379/0?password=hunter2&db=1", "redis://h:6379/0?password=***&db=1"),
        ("sentinel://h/s?sentinel_password=hunter2", "sentinel://h/s?sentinel_password=***"),
        ("07-00-00-00-00", "***"),
        ("+225 - 07\u00a000\u00a000\u00a000", "+225 - ***"),
        ("from +2250700000000: hello", "from ***: hello"),
        ("user_id='+2250700000000',", "user_id='***',"),
        (f"{_ID} +2250700000000 {_ID}", f"{_ID} *** {_ID}"),
        ("+2250700000000 2026-11-20T08:00:00Z", "*** 2026-11-20T08:00:00Z"),
        ("x eyJhbGciOi.eyJzdWIi.c2ln y", "x *** y"),
        ("Bearer eyJhbGciOi.eyJzdWIi.c2ln", "Bearer ***"),
        ("key sb_secret_abc-D_9 refused", "key sb_secret_*** refused"),
        ("sb_publishable_abc", "sb_publishable_***"),
        ("redis://:hunter2@h:6379/0", "redis://:***@h:6379/0"),
        ("postgresql://u:hunter2@h:5432/x", "postgresql://u:***@h:5432/x"),
        ("postgresql://u:hun@ter/2@h/x", "postgresql://u:***@h/x"),
        ("Failing row contains (1, Awa).\nCONTEXT", "Failing row contains ***\nCONTEXT"),
        ("Key (phone)=(Awa) already exists.", "Key (phone)=***"),
    ],
)
def test_what_is_masked(text: str, masked: str) -> None:
    """Phone numbers, tokens, keys, passwords and quoted rows become ``***``; other text is kept."""
    assert mask_text(text) == masked


@pytest.mark.parametrize(
    "text",
    [
        _ID,
        f"{_ID}-1234567890123456",
        _ID.upper(),
        "2026-11-20",
        "le 20/11/2026",
        "2026-11-20T08:00:35Z",
        "2026-11-20 08:00:35.123456+00:00",
        "at 2026-11-20T08:00:35.123456Z done",
        md5(b"x", usedforsecurity=False).hexdigest(),
        sha1(b"x", usedforsecurity=False).hexdigest(),
        sha256(b"x").hexdigest(),
        "redis://127.0.0.1:6379/0",
        "1234567 events",
        "(22003, HTTP 400)",
        "",
    ],
)
def test_what_is_left_alone(text: str) -> None:
    """Ids, times, digests, URLs without a password and short numbers are kept."""
    assert mask_text(text) == text


_phones = st.from_regex(r"\A(?:\+225[ ]?)?0[157](?:[ .\-]?[0-9]{2}){4}\Z")
_harmless = st.one_of(
    st.uuids().map(str),
    st.datetimes(datetime(2000, 1, 1), datetime(2099, 12, 31), timezones=st.just(UTC)).map(
        datetime.isoformat
    ),
    st.binary(min_size=1).map(lambda raw: sha256(raw).hexdigest()),
    st.sampled_from(["ORDERS", "line 7:", "12 events", "Awa", "batch"]),
)


@given(st.lists(_harmless), _phones, st.lists(_harmless))
def test_a_phone_number_never_survives_and_its_neighbours_do(
    before: list[str], phone: str, after: list[str]
) -> None:
    """A phone number between ids, times, digests and words is masked, and nothing else."""
    masked = mask_text("; ".join([*before, phone, *after]))
    assert masked == "; ".join([*before, MASK, *after])


@given(st.text(), st.from_regex(r"\A\+?[0-9]{8,15}\Z"), st.text())
def test_eight_digits_in_a_row_never_survive_in_free_text(before: str, digits: str, after: str) -> None:
    """A number of eight digits is masked in any text."""
    assert digits not in mask_text(f"{before} {digits} {after}")


@given(st.text())
def test_masking_twice_is_masking_once(text: str) -> None:
    """Masking is idempotent, because a log line may pass more than one handler."""
    assert mask_text(mask_text(text)) == mask_text(text)


_leaves = st.none() | st.booleans() | st.floats(allow_nan=False) | st.text() | st.just("+2250700000000")
_keys = st.sampled_from([*sorted(PRIVATE), "User_ID", "event_id", "count"]) | st.text()
_trees = st.recursive(
    _leaves, lambda inner: st.lists(inner) | st.tuples(inner) | st.dictionaries(_keys, inner), max_leaves=20
)


def _private_values(tree: Any) -> list[Any]:
    if isinstance(tree, dict):
        here = [value for key, value in tree.items() if key.lower() in PRIVATE]
        return here + [found for value in tree.values() for found in _private_values(value)]
    return [found for value in tree for found in _private_values(value)] if isinstance(tree, list) else []


@given(_trees)
def test_private_keys_are_masked_at_every_depth(tree: Any) -> None:
    """No value under a private key and no phone number is shown at any level."""
    masked = mask(tree)
    assert all(value == MASK for value in _private_values(masked))
    assert "2250700000000" not in repr(masked)


@pytest.mark.parametrize(
    ("value", "masked"),
    [
        (2250700000000, MASK),
        (2_000_000, 2_000_000),
        (2250700000000.0, MASK),
        (True, True),
        (0.123456789, 0.123456789),
        (UUID(_ID), _ID),
        (b"+2250700000000", "b'***'"),
        (ValueError("+2250700000000"), MASK),
        ({"+2250700000000": 1}, {MASK: 1}),
        (("+2250700000000", 1), [MASK, 1]),
    ],
)
def test_other_values(value: Any, masked: Any) -> None:
    """A number is masked if it is long enough for a phone number; an object is masked as text."""
    assert mask(value) == masked


def test_an_event_can_be_logged_whole() -> None:
    """The fields of an event are masked by name."""
    event = PaymentIssue(company_id="shop", user_id="Awa", issue_type="late", message="Je m'appelle Awa")
    assert mask(event)["company_id"] == "shop"
    assert "Awa" not in repr(mask(event))


_RUNS = ["eyJ", "://x:", "1 ", "12345-", "a1", "0123456 a", "Key (", "2026-11-20 ", "1234567-- ", "\u00a0"]


@pytest.mark.parametrize("piece", _RUNS)
def test_no_text_makes_it_slow(piece: str) -> None:
    """A hostile text of 64 KB is masked fast: no pattern backtracks without a limit."""
    text = piece * (65_536 // len(piece))
    start = time.process_time()
    mask_text(text + "1")
    assert time.process_time() - start < 1
