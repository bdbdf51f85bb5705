"""The format of amounts for shop owners."""

import re
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from handlers.texts import fcfa


@pytest.mark.parametrize(
    ("amount", "text"),
    [
        (2000, "2000 FCFA"),
        (2000.0, "2000 FCFA"),
        (Decimal(2000), "2000 FCFA"),
        (Decimal("2000.00"), "2000 FCFA"),
        (2000.5, "2000.5 FCFA"),
        (Decimal("2000.50"), "2000.5 FCFA"),
        (Decimal("2000.05"), "2000.05 FCFA"),
        (0, "0 FCFA"),
        (0.0, "0 FCFA"),
        (Decimal("0.00"), "0 FCFA"),
        (10, "10 FCFA"),
        (100.0, "100 FCFA"),
        (0.1, "0.1 FCFA"),
        (0.1 + 0.2, "0.30000000000000004 FCFA"),
        (1e-7, "0.0000001 FCFA"),
        (1e22, "10000000000000000000000 FCFA"),
        (Decimal("1E+3"), "1000 FCFA"),
        (10**20, "100000000000000000000 FCFA"),
        (2**53 + 1, "9007199254740993 FCFA"),
    ],
)
def test_fcfa(amount: float | Decimal, text: str) -> None:
    """A whole amount has no decimals; others have a decimal point and no trailing zeros or exponent."""
    assert fcfa(amount) == text


_AMOUNTS = (
    st.integers(0, 10**25)
    | st.floats(0, allow_nan=False, allow_infinity=False).map(abs)
    | st.decimals(0, 10**15, allow_nan=False).map(abs)
)


@given(amount=_AMOUNTS)
def test_fcfa_says_the_very_amount(amount: float | Decimal) -> None:
    """The text has only digits and maybe decimals without a trailing zero, and equals the amount."""
    digits, currency = fcfa(amount).split(" ")
    assert currency == "FCFA"
    assert re.fullmatch(r"\d+(\.\d*[1-9])?", digits)
    assert Decimal(digits) == Decimal(str(amount))
