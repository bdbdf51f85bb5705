"""The element of one event: a bug in its handler affects only this event."""

import json
import math
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from events import Event, LiveToggled
from gateway.errors import HandlerFailed
from handlers import Rows, rows
from worker import elements
from worker.elements import element, flaw

_NUMBER = "+2250700000000"


class Panic(BaseException):
    """A BaseException like the one that a panic in pydantic's core raises."""


def _deep() -> Any:
    return [_deep()]


def _circle() -> list[Any]:
    made: list[Any] = [_NUMBER]
    made.append(made)
    return made


def _raise(error: BaseException) -> Any:
    raise error


BUGS: dict[str, Callable[[], Any]] = {
    "KeyError": lambda: dict[str, Any]()[_NUMBER],
    "RecursionError": _deep,
    "ZeroDivisionError": lambda: 1 / 0,
    "AssertionError": lambda: _raise(AssertionError(_NUMBER)),
    "MemoryError": lambda: _raise(MemoryError()),
    "Panic": lambda: _raise(Panic(_NUMBER)),
    "ExceptionGroup": lambda: _raise(ExceptionGroup(_NUMBER, [ValueError(_NUMBER)])),
    "StopIteration": lambda: next(iter(())),
}
NO_JSON: dict[str, tuple[str, Any]] = {
    "a set": ("TypeError", {_NUMBER}),
    "an object": ("TypeError", type(_NUMBER, (), {})()),
    "no number": ("ValueError", math.nan),
    "an endless number": ("ValueError", -math.inf),
    "a circle": ("ValueError", _circle()),
    "half a surrogate pair": ("UnicodeEncodeError", f"{_NUMBER}\ud800"),
}


def _toggled(metadata: Any) -> Rows:
    activity: Any = {"title": "", "metadata": metadata}
    return Rows(activity)


def _broken(monkeypatch: pytest.MonkeyPatch, handler: Callable[..., Any]) -> HandlerFailed:
    monkeypatch.setattr(elements, "rows", handler)
    with pytest.raises(HandlerFailed) as caught:
        element(LiveToggled(company_id="shop", enabled=True))
    return caught.value


@pytest.mark.parametrize("name", BUGS)
def test_whatever_a_handler_raises_is_the_events_refusal(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """The reason names the exception's type and what to do, the cause its place; no value is shown."""
    error = _broken(monkeypatch, lambda *_: BUGS[name]())
    assert f"({name})" in str(error)
    assert "report it" in str(error)
    assert "botlive failures replay --reason HandlerFailed" in str(error)
    assert f"{name} at unit/test_elements.py:" in error.report
    assert _NUMBER not in error.report
    assert error.__suppress_context__


@pytest.mark.parametrize("name", NO_JSON)
def test_a_row_that_is_no_json_has_a_flaw(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """The flaw names the exception of the JSON encoder; no value is shown."""
    kind, value = NO_JSON[name]
    monkeypatch.setattr(elements, "rows", lambda *_: _toggled(value))
    error = flaw(element(LiveToggled(company_id="shop", enabled=True)))
    assert error is not None
    assert f"({kind})" in str(error)
    assert _NUMBER not in error.report


def test_a_text_may_name_what_is_no_number(monkeypatch: pytest.MonkeyPatch) -> None:
    """A customer whose name is "NaN" is a customer."""
    monkeypatch.setattr(elements, "rows", lambda *_: _toggled({"name": "NaN Infinity"}))
    made = element(LiveToggled(company_id="shop", enabled=True))
    assert flaw(made) is None
    assert made["activity"]["metadata"] == {"name": "NaN Infinity"}


@pytest.mark.parametrize("made", [None, "rows", Decimal(1)])
def test_no_rows_at_all_is_the_events_refusal(monkeypatch: pytest.MonkeyPatch, made: Any) -> None:
    """A handler that returns nothing, or something else, refuses its event."""
    assert "(AttributeError)" in str(_broken(monkeypatch, lambda *_: made))


def test_an_event_without_a_handler_is_refused() -> None:
    """An event whose handler's module is missing is refused; the others are persisted."""

    class Unheard(Event):
        type: Any = "unheard_of"

    with pytest.raises(HandlerFailed, match="AssertionError"):
        element(Unheard(company_id="shop"))  # type: ignore[arg-type] # no event of ours


def test_a_stop_is_no_bug(monkeypatch: pytest.MonkeyPatch) -> None:
    """SystemExit, which RQ raises at the second signal, ends the worker and refuses no event."""
    monkeypatch.setattr(elements, "rows", lambda *_: _raise(SystemExit()))
    with pytest.raises(SystemExit):
        element(LiveToggled(company_id="shop", enabled=True))


def test_a_good_event_is_its_rows_and_its_names() -> None:
    """The element has the event's identity and its rows, as JSON for the SQL function."""
    event = LiveToggled(company_id="shop", enabled=True)
    made = element(event)
    assert json.loads(json.dumps(made)) == made
    assert (made["event_id"], made["digest"]) == (str(event.event_id), event.digest())
    assert made["activity"] == rows(event).activity
