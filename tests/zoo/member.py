"""Projects as in the field, and their expected results."""

from dataclasses import dataclass, field
from typing import Literal

TYPES = ("payment_validated", "payment_issue", "order_completed", "live_toggled")
ORDERS, TOGGLES = "order_completed", "live_toggled"
Person = Literal["owner", "other", "staff", "anon"]
"""``other`` owns another shop; ``staff`` owns none."""


@dataclass(frozen=True)
class Ask:
    """A statement of the front end's, and the number of rows that it reaches, or the SQLSTATE."""

    person: Person
    sql: str
    answer: int | str = 1


@dataclass(frozen=True)
class Member:
    """A small project before our migrations, based on ``base.sql``."""

    name: str
    sql: str
    apart: frozenset[str] = frozenset()
    """The types of event that wait apart there; all others are persisted."""
    blocked: str | None = None
    """Words of the finding for which `botlive migrate` ends with exit code 1."""
    named: tuple[str, ...] = ()
    """Words that a line or a finding of `botlive migrate` holds."""
    unnamed: tuple[str, ...] = ()
    """Words that none of them holds."""
    asks: tuple[Ask, ...] = ()
    """What the front end does afterwards, each in a transaction of its own that is rolled back."""
    later: str = ""
    """What the project does after our migrations."""
    shops: tuple[str, ...] = field(default=())
    """Shops whose events wait apart; by default all, where any do."""

    def __str__(self) -> str:
        return self.name
