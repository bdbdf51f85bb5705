"""Converts rows to the form that the chat and the front end show. It does no I/O and accepts any row.

People, Lovable and the first integration also wrote rows. A value that is missing or has another type is
treated as unknown.
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
"""Maximum number of digits before or after the decimal point. No double has more."""


class Activity(TypedDict):
    """An activity of a shop, as it is shown."""

    type: str
    """``metadata.event`` if there is one, else the column ``type``. It may be any text."""
    client: str
    """The title of the activity."""
    produit: str
    """The description of the activity."""
    timestamp: str
    """How long ago, in French."""


class ActiveOrder(TypedDict):
    """A pending order, as it is shown."""

    user_id: str
    user_name: str
    produit: str
    paiement: str
    zone: str
    numero: str
    completion_rate: int
    """The percentage of produit, paiement, zone and numero that are known."""
    created_at: str


def activity(row: Row, now: datetime) -> Activity:
    """Convert a row of ``activities``. ``now`` is an aware datetime."""
    return {
        "type": _text(_metadata(row).get("event")) or _text(row.get("type")) or "info",
        "client": _text(row.get("title")),
        "produit": _text(row.get("description")),
        "timestamp": relative_time(row.get("created_at"), now),
    }


def active_order(row: Row) -> ActiveOrder:
    """Convert a row of ``orders``."""
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
    """Return how long ago that was, in French; ``récemment`` if the date cannot be read.

    A date without a time zone is UTC. A date in the future counts as now.
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
    """Return a ``numeric`` of PostgreSQL, which is a number or text; 0 if it is not an amount."""
    if not isinstance(value, int | float | str):
        return Decimal(0)
    try:
        amount = Decimal(str(value))
    except (ValueError, ArithmeticError):  # an int with thousands of digits; not a number
        return Decimal(0)
    # 1e999999999 is a short text, but its digits would fill the memory.
    return amount if amount.is_finite() and abs(amount.adjusted()) <= _LONGEST else Decimal(0)


def _metadata(row: Row) -> Row:
    metadata = row.get("metadata")
    return metadata if isinstance(metadata, Mapping) else {}


def _text(value: object) -> str:
    """Return the text, or an empty text if it is blank or not a text."""
    return value if isinstance(value, str) and value.strip() else ""
