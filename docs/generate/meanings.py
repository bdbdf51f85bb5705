"""Reads the docstrings of the contracts' fields from the source."""

import ast
import inspect
from collections.abc import Sequence
from functools import cache
from itertools import pairwise
from textwrap import dedent

from events.contracts import Contract


def meaning(contract: type[Contract], field: str) -> str:
    """Return the field's docstring, from the contract or its nearest base class that has one.

    Raises:
        LookupError: The field has no docstring.
    """
    for owner in contract.__mro__:
        if issubclass(owner, Contract) and field in _docstrings_of(owner):
            return _docstrings_of(owner)[field]
    message = f"{contract.__name__}.{field} has no docstring: add one under the field"
    raise LookupError(message)


def summary(contract: type[Contract]) -> str:
    """Return the docstring of the class."""
    return _one_line(inspect.getdoc(contract) or "")


@cache
def _docstrings_of(contract: type[Contract]) -> dict[str, str]:
    (node,) = ast.parse(dedent(inspect.getsource(contract))).body
    return _docstrings(node.body) if isinstance(node, ast.ClassDef) else {}


def _docstrings(body: Sequence[ast.stmt]) -> dict[str, str]:
    docstrings = {}
    for field, below in pairwise(body):
        match field, below:
            case ast.AnnAssign(target=ast.Name(id=name)), ast.Expr(value=ast.Constant(value=str(text))):
                docstrings[name] = _one_line(text)
    return docstrings


def _one_line(text: str) -> str:
    """Return the text on one line, with Markdown's code marks."""
    return " ".join(text.split()).replace("``", "`")
