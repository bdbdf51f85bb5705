"""Validates the answers of Supabase before they are used."""

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError

from gateway.errors import UnclassifiedFault
from gateway.letters import printable
from gateway.masking import mask_text

_Form = TypeVar("_Form")
_LONGEST = 1_000  # characters
_OLD = "the database's answer has an unexpected form: run `botlive migrate`"
_FOREIGN = (
    "the server at SUPABASE_URL is not the database's API (it reports success in an unexpected form): "
    "check that address, and any proxy in front of it"
)


def shaped(answer: Any, form: type[_Form]) -> _Form:
    """Return the answer, validated.

    Raises:
        UnclassifiedFault: the answer has another form.
    """
    try:
        checked: _Form = _adapter(form).validate_python(answer)  # type: ignore[arg-type] # types are hashable
    except ValidationError:  # its message quotes the value
        raise unexpected(answer) from None
    return checked


def unexpected(answer: Any) -> UnclassifiedFault:
    """Return the error for an answer of another form.

    It comes from our SQL functions of another release, or from another server.
    """
    is_json = isinstance(answer, Mapping | Sequence) and not isinstance(answer, str)
    return UnclassifiedFault(_OLD if is_json else _FOREIGN)


def safe_text(text: str) -> str:
    """Make a message of the database safe to show, because another server may have sent it."""
    return printable(mask_text(text[: 2 * _LONGEST]))[:_LONGEST]


@cache
def _adapter(form: Any) -> TypeAdapter[Any]:
    return TypeAdapter(form)
