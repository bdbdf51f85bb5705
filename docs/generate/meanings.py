"""What the source of the contracts says under each field."""

import ast
import inspect
from collections.abc import Sequence
from functools import cache
from itertools import pairwise

from events import contracts
from events.contracts import Contract


def meaning(contract: type[Contract], field: str) -> str:
    """The text under the field, in its class or in the nearest that it inherits from.

    Raises:
        LookupError: there is none.
    """
    for owner in contract.__mro__:
        text = _texts_of_classes().get(owner.__name__, {}).get(field)
        if text:
            return text
    message = f"{contract.__name__}.{field} has no text: write one under it in events/contracts.py"
    raise LookupError(message)


def summary(contract: type[Contract]) -> str:
    """The text of the class."""
    return _plain(inspect.getdoc(contract) or "")


@cache
def _texts_of_classes() -> dict[str, dict[str, str]]:
    module = ast.parse(inspect.getsource(contracts))
    return {node.name: _texts(node.body) for node in module.body if isinstance(node, ast.ClassDef)}


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
