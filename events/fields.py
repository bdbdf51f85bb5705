"""The kinds of value an event carries, each with its limits, alike in Python and in JSON.

Each kind of text says whether it is personal data and whether it may be cut; ``events.privacy`` reads it.
"""

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import islice
from typing import Annotated, Any
from uuid import UUID

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BeforeValidator,
    Field,
    ValidatorFunctionWrapHandler,
    WrapValidator,
)
from pydantic_core import PydanticCustomError

LONGEST_TEXT = 65_536
"""Characters of the longest text: what one WhatsApp message may hold."""

LONGEST_NAME = 1_024
"""Characters of a name, a reference, a place or a number."""

FUTURE = timedelta(hours=24)
"""How far ahead a clock may be before its events are refused."""


@dataclass(frozen=True, slots=True)
class Handling:
    """What is known of a kind of text besides its limits."""

    private: bool
    """Whether it is personal data."""
    cut_at: int | None = None
    """Characters that are kept of a longer one; None where a part is worth nothing, as with an id."""


_HOURS_ONLY = re.compile(r"(?<=:\d\d)(?:\.\d+)?[+-]\d\d$")  # a zone as PostgreSQL writes it
_ISO_DATE = re.compile(r"\d{4}-\d\d-\d\d[Tt ]")


def _amount(value: Any) -> int | float:
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        raise PydanticCustomError("amount_type", "must be a number, not text or true/false")
    if not _fits_a_double(value):
        raise PydanticCustomError("amount_finite", "must be a finite number")
    if value < 0:
        raise PydanticCustomError("amount_negative", "must not be negative")
    return _whole_or_double(value)


def _whole_or_double(value: int | float | Decimal) -> int | float:
    if value == int(value):
        return int(value)
    double = float(value)
    return int(double) if double.is_integer() else double


def _fits_a_double(value: int | float | Decimal) -> bool:
    try:
        return math.isfinite(float(value))
    except (OverflowError, ValueError):  # a huge int; a signalling NaN
        return False


def first(most: int) -> BeforeValidator:
    """Look at no more than one element beyond so many: each that does not fit costs an error of its own."""

    def begin(value: Any) -> Any:
        is_one = isinstance(value, str | bytes | bytearray | Mapping) or not isinstance(value, Iterable)
        return value if is_one else tuple(islice(value, most + 1))

    return BeforeValidator(begin)


def _without_zero_byte(text: str) -> str:
    if "\0" in text:
        raise PydanticCustomError("zero_byte", "must not contain a zero byte")
    return text


def _uuid(value: Any, handler: ValidatorFunctionWrapHandler) -> UUID:
    try:
        return handler(value)  # type: ignore[no-any-return] # of the schema, a UUID
    except ValueError:  # pydantic's own words quote a piece of the value
        raise PydanticCustomError("uuid", "must be a UUID") from None


def known_version(value: Any, newest: int) -> int:
    """The version, if it is one from 1 to the newest.

    Raises:
        PydanticCustomError: of type ``version_newer`` where a newer release may know it.
    """
    if type(value) is not int or not 1 <= value <= newest:  # true and 1.0 equal 1
        kind = "version_newer" if type(value) is int and value > newest else "version"
        raise PydanticCustomError(kind, "must be 1" if newest == 1 else f"must be 1 to {newest}")
    return value


def _datetime_or_iso_text(value: Any) -> Any:
    # pydantic would take a number, or a text of digits, as seconds since 1970.
    if isinstance(value, str) and _ISO_DATE.match(value):
        return _HOURS_ONLY.sub(r"\g<0>:00", value)
    if isinstance(value, datetime):
        return value
    raise PydanticCustomError("instant_type", "must be a date and time with a zone (ISO 8601)")


def _utc(instant: datetime) -> datetime:
    try:
        utc = instant.astimezone(UTC)
    except OverflowError:
        raise PydanticCustomError("instant_range", "is out of range") from None
    if utc > datetime.now(UTC) + FUTURE:
        raise PydanticCustomError("instant_future", "is more than 24 hours in the future")
    return utc


Amount = Annotated[int | float | Decimal, BeforeValidator(_amount)]
"""FCFA (XOF), finite and not negative. Kept as an int where whole, else as a double."""

Instant = Annotated[AwareDatetime, BeforeValidator(_datetime_or_iso_text), AfterValidator(_utc)]
"""An aware date and time, normalised to UTC, at most 24 hours ahead."""

Uuid = Annotated[UUID, WrapValidator(_uuid)]
"""An id, as a UUID or its text."""

_short = Field(strict=True, max_length=LONGEST_NAME)
_without_zeros = AfterValidator(_without_zero_byte)

Text = Annotated[
    str,
    Field(strict=True, max_length=LONGEST_TEXT),
    _without_zeros,
    Handling(private=True, cut_at=LONGEST_TEXT),
]
"""A text that a person wrote."""

Name = Annotated[str, _short, _without_zeros, Handling(private=True, cut_at=LONGEST_NAME)]
"""A short text about a person: a name, a reference, a place, a phone number."""

Word = Annotated[str, _short, _without_zeros, Handling(private=False, cut_at=LONGEST_NAME)]
"""A short text about no person, such as the kind of an issue."""

_key = Field(strict=True, min_length=1, max_length=LONGEST_NAME)
Key = Annotated[str, _key, _without_zeros, Handling(private=True)]
"""The caller's own name of what happened, such as a message's id; it may hold a phone number."""

_id = Field(strict=True, min_length=1, max_length=128)
Identifier = Annotated[str, _id, _without_zeros, Handling(private=False)]
"""An id given by Botlive: 1 to 128 characters."""

Customer = Annotated[str, _id, _without_zeros, Handling(private=True)]
"""The id of a customer: a phone number."""
