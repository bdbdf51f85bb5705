"""The persister: the log lines with outcomes and durations, and events whose rows are no JSON."""

import json
import math
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import httpx
import pytest
from pydantic import SecretStr
from structlog.testing import capture_logs

from gateway.client import Gateway, Outcome, OutcomeKind
from gateway.errors import HandlerFailed, OwnFault
from gateway.settings import Settings
from tests.make import order, payment
from worker import job
from worker.elements import Element
from worker.own_faults import OwnFaults
from worker.persister import Delivery, Persister


class Database:
    """A gateway that gives these outcomes, one after the other and then again."""

    def __init__(self, *kinds: OutcomeKind) -> None:
        self._kinds = kinds

    def persist(self, elements: Sequence[Element], *, apart: bool = False) -> list[Outcome]:
        """See ``gateway.client.Gateway``."""
        kinds = [*self._kinds] * len(elements)
        return [Outcome(kind, "a reason") for kind in kinds[: len(elements)]]


class Job(NamedTuple):
    """The part of RQ's job that the job function reads."""

    id: str
    created_at: datetime


def before(seconds: float) -> datetime:
    """A time so many seconds ago."""
    return datetime.now(UTC) - timedelta(seconds=seconds)


@pytest.mark.parametrize("kind", ["persisted", "duplicate", "refused", "unknown_company", "apart"])
def test_each_outcome_is_a_line_with_durations(kind: OutcomeKind) -> None:
    """The line names the outcome, how long the event waited, and how long the call took."""
    delivery = Delivery.of("job", order(), before(90))
    with capture_logs() as log:
        Persister(Database(kind)).persist([delivery])
    (line,) = log
    assert (line["event"], line["log_level"]) == (kind, "info")
    assert (line["event_type"], line["job_id"]) == ("order_completed", "job")
    assert line["waited"] >= 90
    assert line["call_ms"] >= 0
    assert "a reason" not in str(line), "the reason is in the line of the error"


def test_the_line_of_a_large_batch_names_every_event_and_the_longest_wait() -> None:
    """An event whose time of publication is unknown does not count."""
    times = [None, before(10), before(5000), *[before(1)] * 22]
    deliveries = [Delivery.of(str(number), payment(), time) for number, time in enumerate(times)]
    with capture_logs() as log:
        Persister(Database("persisted", "duplicate", "refused")).persist(deliveries)
    (line,) = log
    assert line["event"] == "persisted"
    assert line["waited"] >= 5000
    named = [event_id for word in ("ACTIVITIES", "duplicates", "refused") for event_id in line[word]]
    assert sorted(named) == sorted(str(each.event.event_id) for each in deliveries)


def test_a_large_batch_without_a_new_row_does_not_say_persisted() -> None:
    """Its line names the outcomes that it has."""
    deliveries = [Delivery.of(str(number), payment()) for number in range(25)]
    with capture_logs() as log:
        Persister(Database("refused", "duplicate")).persist(deliveries)
    assert [line["event"] for line in log] == ["duplicate, refused"]


@pytest.mark.parametrize(
    ("published", "expected"),
    [(None, None), (datetime.now(UTC) + timedelta(days=1), 0.0)],
    ids=["unknown", "by a clock that is ahead"],
)
def test_a_wait_that_nobody_knows_is_not_invented(published: datetime | None, expected: float | None) -> None:
    """Without a time of publication there is no wait, and it is never negative."""
    with capture_logs() as log:
        Persister(Database("persisted")).persist([Delivery.of("job", payment(), published)])
    assert log[0].get("waited") == expected


def test_a_stock_worker_logs_the_wait_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """The job function takes the time of publication from RQ's job."""
    event = payment()
    current = Job("payment", created_at=before(90))
    monkeypatch.setattr(job, "get_current_job", lambda: current)
    monkeypatch.setattr(job, "persister", lambda: Persister(Database("persisted")))
    with capture_logs() as log:
        job.persist(event.model_dump(mode="json", exclude_none=True))
    assert log[0]["job_id"] == "payment"
    assert log[0]["waited"] >= 90


def test_a_bug_is_logged_once_and_not_at_each_retry() -> None:
    """Another place in the code, or another type of exception, is another bug."""
    faults = OwnFaults()

    def fail(*, here: bool) -> None:
        if here:
            raise KeyError("Awa")
        raise KeyError("Awa")

    with capture_logs() as log:
        for here in (True, True, False, True, False):
            with pytest.raises(KeyError) as caught:
                fail(here=here)
            assert isinstance(faults.fault(caught.value), OwnFault)
        faults.fault(ValueError("never raised"))
    assert [type(line["exc_info"]) for line in log] == [KeyError, KeyError, ValueError]


def _deep() -> list[Any]:
    made: list[Any] = []
    for _ in range(100_000):
        made = [made]
    return made


@pytest.mark.parametrize(
    ("value", "name"),
    [
        ({"a set"}, "TypeError"),
        (math.nan, "ValueError"),
        ("\ud800", "UnicodeEncodeError"),
        (_deep(), "RecursionError"),
    ],
    ids=["set", "NaN", "surrogate", "deep"],
)
def test_a_row_that_is_no_json_refuses_only_its_event(value: Any, name: str) -> None:
    """The others are persisted by one call, and keep their outcomes."""
    sent: list[list[str]] = []

    def answer(request: httpx.Request) -> httpx.Response:
        sent.append([each["event_id"] for each in json.loads(request.content)["events"]])
        return httpx.Response(200, json=[{"outcome": "persisted"}, {"outcome": "refused", "reason": "no"}])

    settings = Settings(supabase_url="http://api", supabase_key=SecretStr("a-key-of-a-project"))
    gateway = Gateway.connect(settings, transport=httpx.MockTransport(answer))
    good, bad, refused = (Delivery.of(str(number), payment()) for number in range(3))
    bad.element["activity"]["metadata"]["amount"] = value
    errors = Persister(gateway).persist([good, bad, refused])
    assert [type(error).__name__ for error in errors] == ["NoneType", "HandlerFailed", "EventRefused"]
    assert isinstance(errors[1], HandlerFailed)
    assert f"({name})" in str(errors[1])
    assert sent == [[str(good.event.event_id), str(refused.event.event_id)]]


def test_if_no_row_is_json_nothing_is_sent() -> None:
    """All events are refused."""
    settings = Settings(supabase_url="http://api", supabase_key=SecretStr("a-key-of-a-project"))
    gateway = Gateway.connect(settings, transport=httpx.MockTransport(lambda _: pytest.fail("a call")))
    bad = Delivery.of("job", payment())
    bad.element["activity"]["metadata"]["amount"] = math.nan
    [error] = Persister(gateway).persist([bad])
    assert isinstance(error, HandlerFailed)


def test_another_bug_of_a_call_is_raised() -> None:
    """If all rows are JSON, the cause is another one, and no event is refused."""

    class Broken:
        def persist(self, elements: Sequence[Element], *, apart: bool = False) -> list[Outcome]:
            raise ValueError("a bug")

    with pytest.raises(ValueError, match="a bug"):
        Persister(Broken()).persist([Delivery.of("job", payment())])
