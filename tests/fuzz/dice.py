"""The random choices of one case, which depend only on its seed and number."""

import random
from collections.abc import Callable
from typing import Any

from tests.fuzz.canaries import PHONE, SECRET, VALUE

DEEP, LONG = "<deep>", "<long>"
"""Placeholders for values that ``json.dumps`` cannot write. ``documents.written`` replaces them."""

_TEXTS = (
    *("", " ", "\t", "\0", "a\0b", "\r\n", "line\nbreak", "\u2028", "\ufeff", "\u202egnp.exe", "e\u0301"),
    *("\ud83d", "\udc80\udcff", "😀", "Commande n° 7", "null", "true", "NaN", "1e999", "0x10", "{}", "[]"),
    *("\x1b[31mred\x1b[0m", "\x1b]0;title\x07", "[red]markup[/red]", "[/]", "<script>alert(1)</script>"),
    *("%s%n", "{0.__class__}", "${x}", "'; drop table orders; --", "../../etc/passwd", "--help", "-"),
    *("2026-11-20T08:00:00Z", "9999-12-31T23:59:59-14:00", "0001-01-01T00:00:00+14:00", "2026-02-30T00:00Z"),
    *("2026-11-20T24:00:00Z", "1763625600", "2026-11-20T08:00:60Z", "2026-11-20 08:00:00+00"),
    *("00000000-0000-0000-0000-000000000000", "{da24ff12-b95c-4696-8bef-6ad89c18f601}", "urn:uuid:1"),
    *("x" * 129, "é" * 1_025, "payment_validated", "order_completed", "live_toggled", "rag", DEEP, LONG),
    *(PHONE, PHONE, SECRET, VALUE, f"{VALUE} {PHONE}", f"https://u:{SECRET}@host/", "07 59 48 37 26"),
)
_NUMBERS = (
    *(0, -0.0, 1, -1, 0.1, 2**31 - 1, 2**31, 2**53 + 1, 2**63, 2**64, -(2**63), 10**308, 10**309, 10**400),
    *(1e16, 1e-7, 5e-324, 1.7976931348623157e308, float("inf"), float("-inf"), float("nan"), 12000.50),
    *(99999999, 2250759483726),
)
_WHOLE: tuple[Any, ...] = (None, True, False, [], {}, [[]], [None], {"": None}, [{}], {"a": {"b": {"c": []}}})


class Dice(random.Random):
    """``random.Random`` with the choices that all targets use."""

    def chance(self, part: float) -> bool:
        """Return True with this probability."""
        return self.random() < part

    def one_of(self, *makers: Callable[[], Any]) -> Any:
        """Call one of the functions and return its result."""
        return self.choice(makers)()

    def text(self) -> str:
        """Return an unusual text."""
        if self.chance(0.8):
            return self.choice(_TEXTS)
        codes = (
            self.choice((self.randrange(32, 127), self.randrange(0x3000))) for _ in range(self.randrange(30))
        )
        return "".join(map(chr, codes))

    def long_text(self) -> str:
        """Return a text that is longer than every limit."""
        return self.choice(("x", "é", "\u2028", f"{VALUE} ", "9")) * self.choice((1_025, 65_537, 200_000))

    def scalar(self) -> Any:
        """Return a value that is usually not nested."""
        return self.one_of(self.text, self.text, lambda: self.choice(_NUMBERS), lambda: self.choice(_WHOLE))

    def value(self, depth: int = 0) -> Any:
        """Return any JSON value, sometimes one that is not valid in JSON."""
        if depth > 3 or self.chance(0.8):
            return self.scalar()
        inner = [self.value(depth + 1) for _ in range(self.randrange(4))]
        return inner if self.chance(0.5) else {self.text(): element for element in inner}

    def some(self, most: int) -> range:
        """Return a range for 1 to ``most`` repetitions."""
        return range(self.randint(1, most))
