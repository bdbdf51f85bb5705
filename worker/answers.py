"""What Supabase answered, checked for its form before anyone relies on it."""

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError

from worker.errors import UnclassifiedFault

_Form = TypeVar("_Form")
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


@cache
def _adapter(form: Any) -> TypeAdapter[Any]:
    return TypeAdapter(form)
