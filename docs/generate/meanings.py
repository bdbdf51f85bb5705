"""What the source of a contract says under each field."""

import ast
import inspect
from collections.abc import Sequence
from functools import cache
from itertools import pairwise
from textwrap import dedent

from events.contracts import Contract


def meaning(contract: type[Contract], field: str) -> str:
    """The text under the field, in its class or in the nearest that it inherits from.

    Raises:
        LookupError: there is none.
    """
    for owner in contract.__mro__:
        if issubclass(owner, Contract) and field in _texts_of(owner):
            return _texts_of(owner)[field]
    message = f"{contract.__name__}.{field} has no text: write what it means in a docstring under it"
    raise LookupError(message)


def summary(contract: type[Contract]) -> str:
    """The text of the class."""
    return _plain(inspect.getdoc(contract) or "")


@cache
def _texts_of(contract: type[Contract]) -> dict[str, str]:
    (node,) = ast.parse(dedent(inspect.getsource(contract))).body
    return _texts(node.body) if isinstance(node, ast.ClassDef) else {}


def _texts(body: Sequence[ast.stmt]) -> dict[str, str]:
    texts = {}
    for field, under in pairwise(body):
        match field, under:
            case ast.AnnAssign(target=ast.Name(id=name)), ast.Expr(value=ast.Constant(value=str(text))):
                texts[name] = _plain(text)
    return texts


def _plain(text: str) -> str:
    """On one line, code marked as Markdown does."""
    return " ".join(text.split()).replace("``", "`")
