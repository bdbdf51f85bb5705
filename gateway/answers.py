"""What Supabase answered, checked for its form before anyone relies on it."""

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError

from gateway.errors import UnclassifiedFault
from gateway.letters import plain
from gateway.masking import mask_text

_Form = TypeVar("_Form")
_LONGEST = 1_000  # characters
_OLD = "the database's answer is not of the form expected: run `botlive migrate`"
_FOREIGN = (
    "what answers at SUPABASE_URL is not the database's API (it says that all is well, in another form): "
    "check that address, and any proxy on the way to it"
)


def shaped(answer: Any, form: type[_Form]) -> _Form:
    """The answer in that form.

    Raises:
        UnclassifiedFault: it has another one.
    """
    try:
        checked: _Form = _adapter(form).validate_python(answer)  # type: ignore[arg-type] # types are hashable
    except ValidationError:  # it quotes the value
        raise misshapen(answer) from None
    return checked


def misshapen(answer: Any) -> UnclassifiedFault:
    """The fault that an answer of another form is: ours of another release, or somebody else's page."""
    ours = isinstance(answer, Mapping | Sequence) and not isinstance(answer, str)
    return UnclassifiedFault(_OLD if ours else _FOREIGN)


def words(text: str) -> str:
    """The database's own words, fit to be shown: somebody else may have answered in its place."""
    return plain(mask_text(text[: 2 * _LONGEST]))[:_LONGEST]


@cache
def _adapter(form: Any) -> TypeAdapter[Any]:
    return TypeAdapter(form)
