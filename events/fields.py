"""The field types of the events and their limits. They are the same in Python and in JSON.

Each text type declares whether it is personal data and whether it may be cut. ``events.privacy`` reads this.
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
    WithJsonSchema,
    WrapValidator,
)
from pydantic_core import PydanticCustomError

LONGEST_TEXT = 65_536
"""Maximum length of a text, in characters: the longest WhatsApp message."""

LONGEST_NAME = 1_024
"""Maximum length of a name, a reference, a place or a phone number, in characters."""

FUTURE = timedelta(hours=24)
"""An event that occurs later than this from now is refused."""


@dataclass(frozen=True, slots=True)
class Handling:
    """How to handle a type of text: its privacy, and whether it may be cut."""

    private: bool
    """Whether the text is personal data."""
    cut_at: int | None = None
    """Number of characters to keep of a longer text; None if it must not be cut, such as an id."""


_HOURS_ONLY = re.compile(r"(?<=:\d\d)(?:\.\d+)?[+-]\d\d$")  # the short UTC offset of PostgreSQL
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
    """Return a validator that reads at most ``most + 1`` elements.

    One element too many is enough for an error, and pydantic would create an error for each bad element.
    """

    def begin(value: Any) -> Any:
        if isinstance(value, list):  # the comparisons below take much longer
            return value[: most + 1]
        is_one = isinstance(value, str | bytes | bytearray | Mapping) or not isinstance(value, Iterable)
        return value if is_one else tuple(islice(value, most + 1))

    return BeforeValidator(begin)


def _without_zero_byte(text: str) -> str:
    if "\0" in text:
        raise PydanticCustomError("zero_byte", "must not contain a zero byte")
    return text


def _uuid(value: Any, handler: ValidatorFunctionWrapHandler) -> UUID:
    try:
        return handler(value)  # type: ignore[no-any-return] # the schema returns a UUID
    except ValueError:  # pydantic's message quotes a part of the value
        raise PydanticCustomError("uuid", "must be a UUID") from None


def known_version(value: Any, newest: int) -> int:
    """Return the version if it is between 1 and ``newest``.

    Raises:
        PydanticCustomError: the version is not known. The error type is ``version_newer`` if a newer release
            may know it.
    """
    if type(value) is not int or not 1 <= value <= newest:  # because True and 1.0 are equal to 1
        kind = "version_newer" if type(value) is int and value > newest else "version"
        raise PydanticCustomError(kind, "must be 1" if newest == 1 else f"must be 1 to {newest}")
    return value


def _datetime_or_iso_text(value: Any) -> Any:
    # pydantic would read a number, or a text of digits, as seconds since 1970.
    if isinstance(value, str) and _ISO_DATE.match(value):
        return value if value.endswith("Z") else _HOURS_ONLY.sub(r"\g<0>:00", value)
    if isinstance(value, datetime):
        return value
    raise PydanticCustomError("instant_type", "must be a date and time with a zone (ISO 8601)")


def _utc(instant: datetime) -> datetime:
    try:
        utc = instant.astimezone(UTC)
    except OverflowError:
        raise PydanticCustomError("instant_range", "is out of range") from None
    if utc > datetime.now(UTC) + FUTURE:
        raise PydanticCustomError(
            "instant_future", "is more than 24 hours in the future by this machine's clock"
        )
    return utc


_amount_schema = WithJsonSchema({"type": "number", "minimum": 0, "x-unit": "FCFA"})
Amount = Annotated[int | float | Decimal, BeforeValidator(_amount), _amount_schema]
"""An amount in FCFA (XOF), finite and not negative. A whole amount is an int, any other a float."""

Instant = Annotated[AwareDatetime, BeforeValidator(_datetime_or_iso_text), AfterValidator(_utc)]
"""An aware datetime, converted to UTC, at most 24 hours in the future."""

Uuid = Annotated[UUID, WrapValidator(_uuid)]
"""A UUID, given as a UUID or as text."""

_NO_ZERO_BYTE: dict[str, Any] = {"pattern": "^[^\\u0000]*$"}
"""For the JSON Schema only. ``_without_zeros`` does the check."""

_short = Field(strict=True, max_length=LONGEST_NAME, json_schema_extra=_NO_ZERO_BYTE)
_without_zeros = AfterValidator(_without_zero_byte)

Text = Annotated[
    str,
    Field(strict=True, max_length=LONGEST_TEXT, json_schema_extra=_NO_ZERO_BYTE),
    _without_zeros,
    Handling(private=True, cut_at=LONGEST_TEXT),
]
"""A text written by a person."""

Name = Annotated[str, _short, _without_zeros, Handling(private=True, cut_at=LONGEST_NAME)]
"""A short text about a person: a name, a reference, a place, a phone number."""

Word = Annotated[str, _short, _without_zeros, Handling(private=False, cut_at=LONGEST_NAME)]
"""A short text without personal data, such as the type of an issue."""

_key = Field(strict=True, min_length=1, max_length=LONGEST_NAME, json_schema_extra=_NO_ZERO_BYTE)
Key = Annotated[str, _key, _without_zeros, Handling(private=True)]
"""The caller's idempotency key, such as the id of a message. It may contain a phone number."""

_id = Field(strict=True, min_length=1, max_length=128, json_schema_extra=_NO_ZERO_BYTE)
Identifier = Annotated[str, _id, _without_zeros, Handling(private=False)]
"""An id from Botlive: 1 to 128 characters."""

Customer = Annotated[str, _id, _without_zeros, Handling(private=True)]
"""The id of a customer, which is a phone number."""
