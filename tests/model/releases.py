"""The two releases of the model: this code is the older one, and the newer one knows more events.

The contracts and handlers below are what a newer release adds (docs/changing-an-event.md): a version 2 of one
type, an optional field of another, and a new type.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Annotated, Any, Literal, Self

from pydantic import Field, TypeAdapter

from events import Event, LiveToggled, PaymentIssue, parsing
from events.contracts import TYPES
from handlers import meaning
from handlers.payment_issue import payment_issue
from handlers.rows import Content, Rows, activity
from worker import apart, elements

Known = Literal["toggle", "issue"]
"""What both releases know."""
Newer = Literal["version", "field", "type"]
"""What only the newer release knows."""


class NextIssue(PaymentIssue):
    """Version 2: the type of the issue is in capital letters."""

    version: int = 2

    def upcast(self) -> Self:
        """Return version 2."""
        return self.model_copy(update={"version": 2, "issue_type": self.issue_type.upper()})


class NextToggle(LiveToggled):
    """The same version, with a new optional field."""

    source: str | None = None
    """Who switched the mode."""


class StockEmptied(Event):
    """A new type."""

    type: Literal["stock_emptied"] = "stock_emptied"  # type: ignore[assignment] # a name of a later release


_adapter: TypeAdapter[Any] = TypeAdapter(
    Annotated[NextIssue | NextToggle | StockEmptied, Field(discriminator="type")]
)
_PLACES = ((parsing, "_adapter"), (meaning, "payment_issue"), (elements, "rows"), (apart, "TYPES"))
"""Where a release says which events it knows and what they mean."""
_ours = [getattr(module, name) for module, name in _PLACES]


def made(kind: Known | Newer, common: dict[str, Any]) -> Event:
    """Return an event as a chat publishes it: a chat of this release, or of the newer one."""
    issue: dict[str, Any] = {"user_id": "customer", "issue_type": "payment", "message": "text"}
    match kind:
        case "issue":
            return PaymentIssue(**common, **issue)
        case "toggle":
            return LiveToggled(**common, enabled=True)
        case "version":
            return NextIssue(**common, **issue)
        case "field":
            return NextToggle(**common, enabled=True, source="chat")
        case "type":
            return StockEmptied(**common)


@contextmanager
def newer() -> Iterator[None]:
    """Let the code be that of the newer release."""
    types = (*TYPES, "stock_emptied")
    with _being([_adapter, _next_issue, _rows, types]):
        yield


@contextmanager
def older() -> Iterator[None]:
    """Let the code be that of this release again, within ``newer``."""
    with _being(_ours):
        yield


def _next_issue(event: PaymentIssue, content: Content) -> Rows:
    assert event.version == 2, "a handler reads the newest version only"
    return payment_issue(event, content)


def _rows(event: Any, content: Content) -> Rows:
    if isinstance(event, StockEmptied):
        described: Any = {"type": "system", "status": "info", "title": "Stock", "description": ""}
        name: Any = event.type
        return Rows(activity(content, described, event=name))
    return meaning.rows(event, content)


@contextmanager
def _being(parts: Sequence[Any]) -> Iterator[None]:
    before = [getattr(module, name) for module, name in _PLACES]
    _become(parts)
    try:
        yield
    finally:
        _become(before)


def _become(parts: Sequence[Any]) -> None:
    for (module, name), part in zip(_PLACES, parts, strict=True):
        setattr(module, name, part)
