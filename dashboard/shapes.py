"""From rows to what the chat and the front end show. Pure, and at ease with any row.

Rows are also made by hand, by Lovable and by the integration before ours: a value that is missing or of
another kind is simply not known.
"""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from typing_extensions import TypedDict  # pydantic reads typing's only from Python 3.12 on

from handlers.texts import fcfa

Row = Mapping[str, Any]

YES, NO = "✅", "❌"

_PHONE = re.compile(r"[+(]?\d[\d\s.()/-]{6,}\d")
_LONGEST = 400
"""Decimal places left or right of the dot; no double has more."""


class Activity(TypedDict):
    """Something that happened in a shop."""

    type: str
    """``metadata.event`` where there is one, else the column: any text, for others write rows too."""
    client: str
    """The title."""
    produit: str
    """The description."""
    timestamp: str
    """How long ago, in French."""


class ActiveOrder(TypedDict):
    """A pending order, and what is known of it."""

    user_id: str
    user_name: str
    produit: str
    paiement: str
    zone: str
    numero: str
    completion_rate: int
    """Per cent: how many of produit, paiement, zone and numero are known."""
    created_at: str


def activity(row: Row, now: datetime) -> Activity:
    """A row of ``activities`` as it is shown at that instant (aware)."""
    return {
        "type": _text(_metadata(row).get("event")) or _text(row.get("type")) or "info",
        "client": _text(row.get("title")),
        "produit": _text(row.get("description")),
        "timestamp": relative_time(row.get("created_at"), now),
    }


def active_order(row: Row) -> ActiveOrder:
    """A row of ``orders`` as it is shown."""
    metadata, name = _metadata(row), _text(row.get("customer_name"))
    known = (
        _product(row.get("items")),
        _payment(row.get("total_amount")),
        _text(metadata.get("zone")),
        _text(metadata.get("phone")),
    )
    produit, paiement, zone, numero = known
    return {
        "user_id": _text(metadata.get("user_id")) or name,
        "user_name": name.rstrip()[-4:] if _PHONE.fullmatch(name.strip()) else name,
        "produit": produit,
        "paiement": _tick(paiement),
        "zone": _tick(zone),
        "numero": _tick(numero),
        "completion_rate": 25 * sum(map(bool, known)),
        "created_at": _text(row.get("created_at")),
    }


def relative_time(created_at: object, now: datetime) -> str:
    """How long ago that was, in French; ``récemment`` where the date cannot be read.

    A date without a zone is UTC, and one in the future (a clock ahead) is just now.
    """
    instant = _instant(created_at)
    if instant is None:
        return "récemment"
    minutes = int((now - instant).total_seconds() // 60)
    if minutes < 1:
        return "il y a quelques secondes"
    if minutes < 60:  # noqa: PLR2004 - minutes of an hour
        return f"il y a {minutes} min"
    hours, days = minutes // 60, minutes // (24 * 60)
    return f"il y a {days}j" if days else f"il y a {hours}h"


def _instant(value: object) -> datetime | None:
    try:
        instant = datetime.fromisoformat(_text(value))
    except ValueError:
        return None
    return instant if instant.tzinfo else instant.replace(tzinfo=UTC)


def _tick(value: str) -> str:
    return f"{YES} {value}" if value else NO


def _product(items: object) -> str:
    first = items[0] if isinstance(items, list) and items else None
    return _text(first.get("name")) if isinstance(first, Mapping) else ""


def _payment(total: object) -> str:
    amount = _amount(total)
    return fcfa(amount) if amount > 0 else ""


def _amount(value: object) -> Decimal:
    """PostgreSQL's ``numeric`` comes as a number or as text; 0 where it is no amount."""
    if not isinstance(value, int | float | str):
        return Decimal(0)
    try:
        amount = Decimal(str(value))
    except (ValueError, ArithmeticError):  # an integer of thousands of digits; no number
        return Decimal(0)
    # 1e999999999 is short to write and would fill the memory when written out.
    return amount if amount.is_finite() and abs(amount.adjusted()) <= _LONGEST else Decimal(0)


def _metadata(row: Row) -> Row:
    metadata = row.get("metadata")
    return metadata if isinstance(metadata, Mapping) else {}


def _text(value: object) -> str:
    """The text as it is; empty where it is blank or no text."""
    return value if isinstance(value, str) and value.strip() else ""
