"""How a worker finds the shop whose tables do not answer, and when it finds none."""

import threading
from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from structlog.testing import capture_logs

from gateway.errors import TransientFault
from worker import slowness
from worker.slowness import slow_company

KINDS = [{"company_id": company, "event_type": "payment_validated"} for company in ("one", "two", "three")]


class Database:
    """Has shops whose tables hang, and shops whose calls fail in another way."""

    def __init__(self, *hanging: str, faults: Mapping[str, Exception] | None = None) -> None:
        self.hanging = {*hanging}
        self.faults = faults or {}
        self.asked: list[str] = []
        self.end = threading.Event()

    def admits(self, plain_events: Sequence[Mapping[str, Any]]) -> list[str | None]:
        """See ``Gateway.admits``."""
        [company] = {plain["company_id"] for plain in plain_events}
        self.asked.append(company)
        if company in self.faults:
            raise self.faults[company]
        if company in self.hanging:
            self.end.wait(30)
        return [None] * len(plain_events)


@pytest.fixture(autouse=True)
def _patience_is_short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(slowness, "PATIENCE", 0.5)
    monkeypatch.setattr(slowness, "_SEARCH", 30.0)
    monkeypatch.setattr(slowness, "_CONTROL", 30.0)


def test_the_shop_that_does_not_answer_is_found() -> None:
    """The others do answer, also after it."""
    database = Database("two")
    assert slow_company(database, KINDS) == "two"
    assert database.asked == ["one", "two", "one"]
    database.end.set()


def test_one_of_two_slow_shops_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """Another shop answers, though not the first that is asked; the second one is found next time."""
    monkeypatch.setattr(slowness, "_CONTROL", 0.5)
    database = Database("one", "two")
    assert slow_company(database, KINDS) == "one"
    assert database.asked == ["one", "two", "three"]
    database.end.set()


def test_a_shop_whose_tables_are_locked_is_found() -> None:
    """The database may say it before the time is over."""
    assert slow_company(Database(faults={"one": TransientFault()}), KINDS) == "one"


def test_where_none_answers_the_database_is_the_cause(monkeypatch: pytest.MonkeyPatch) -> None:
    """No shop is slower than the others."""
    monkeypatch.setattr(slowness, "_CONTROL", 0.1)
    database = Database("one", "two", "three")
    assert slow_company(database, KINDS) is None
    database.end.set()


def test_the_only_shop_is_not_compared() -> None:
    """Without another shop nothing tells a slow shop from a slow database."""
    database = Database(faults={"one": TransientFault()})
    assert slow_company(database, KINDS[:1]) is None
    assert database.asked == []


def test_where_all_answer_there_is_none() -> None:
    """Another fault than slowness has another cause: the shop's refusal, for example."""
    assert slow_company(Database(), KINDS) is None


def test_the_search_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    """With many shops it would delay a stop of the worker."""
    monkeypatch.setattr(slowness, "_SEARCH", -1.0)
    database = Database(faults={"one": TransientFault()})
    assert slow_company(database, KINDS) is None
    assert database.asked == []


def test_a_bug_blames_no_shop() -> None:
    """It is logged, without its text."""
    with capture_logs() as lines:
        assert slow_company(Database(faults={"two": ZeroDivisionError("Awa")}), KINDS) is None
    assert lines == [{"event": "shop not checked", "error": "ZeroDivisionError", "log_level": "warning"}]
