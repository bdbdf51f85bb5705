"""Events that wait apart: how a worker moves them, and what it does with the database's answers."""

import json
import threading
from collections.abc import Mapping, Sequence
from typing import Any
from unittest.mock import Mock

import pytest
import redis
from structlog.testing import capture_logs

from gateway.errors import TransientFault, WaitsApart
from tests.unit.scripted import ScriptedRedis
from worker import apart as module
from worker.apart import Apart, Group, Kind, Store
from worker.slowness import SLOW

KIND = Kind("shop", "payment_validated")
OTHER = Kind("other", "payment_validated")
GROUP = Group.of(WaitsApart("its trigger refuses", plain={"event_type": "payment_validated"}))
OWNER = "botlive-me"
Answer = list[str | None] | Exception


class Admits:
    """Gives the answers of the database in turn; the last one for ever."""

    def __init__(self, *answers: Answer) -> None:
        self._answers = [*answers]
        self.asked: list[int] = []

    def admits(self, plain_events: Sequence[Mapping[str, Any]]) -> list[str | None]:
        """See ``Gateway.admits``."""
        self.asked.append(len(plain_events))
        answer = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer


@pytest.fixture(autouse=True)
def _the_clock_stands(monkeypatch: pytest.MonkeyPatch) -> None:
    """A kind whose call was postponed is not due again during the test."""
    monkeypatch.setattr(module, "time", Mock(monotonic=lambda: 0.0))


@pytest.fixture
def connection() -> ScriptedRedis:
    """A Redis."""
    return ScriptedRedis()


def made(connection: redis.Redis, *answers: Answer) -> Apart:
    """Return the part of a worker, with these answers of the database."""
    return Apart(Store(connection, "botlive"), Admits(*answers), OWNER)


def claim(connection: redis.Redis, job_id: str) -> None:
    """Record that the worker holds this job."""
    connection.hset(f"rq:job:{job_id}", "status", "started")
    connection.zadd("rq:wip:botlive", {f"{job_id}:{OWNER}": "+inf"})


def put(connection: redis.Redis, apart: Apart, kind: Kind = KIND) -> None:
    """Move one job of this kind apart."""
    claim(connection, f"one-of-{kind.company_id}")
    apart.put([f"one-of-{kind.company_id}"], kind, GROUP)


def test_jobs_that_move_apart_are_logged_once_for_their_kind(connection: ScriptedRedis) -> None:
    """They leave the claims and wait in the kind's queue; the second of a kind logs no line."""
    apart = made(connection, [None])
    for job_id in ("one", "two"):
        claim(connection, job_id)
    with capture_logs() as lines:
        apart.put(["one"], KIND, GROUP)
        apart.put(["two"], KIND, GROUP)
    assert [(line["event"], line["reason"]) for line in lines] == [("waits apart", GROUP.reason)]
    assert apart.store.count(KIND) == 2
    assert connection.zcard("rq:wip:botlive") == 0
    assert apart.group(KIND) == GROUP
    assert apart.store.groups() == {KIND: GROUP}


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (["a lock"], "a lock"),
        ([None], None),
        (TransientFault(), "the shop's tables do not answer in time: check their triggers and locks"),
        (ZeroDivisionError(), None),
    ],
    ids=["refused", "taken", "no answer", "a bug of ours"],
)
def test_a_kind_is_judged_by_the_answer(
    connection: ScriptedRedis, answer: Answer, reason: str | None
) -> None:
    """No answer counts against the shop's tables. A bug of ours does not, and is logged."""
    with capture_logs() as lines:
        fault = made(connection, answer).judge(KIND, {})
    assert (str(fault) if fault else None) == reason
    named = [line["error"] for line in lines if line["event"] == "shop not checked"]
    assert named == (["ZeroDivisionError"] if isinstance(answer, ZeroDivisionError) else [])


def test_a_kind_that_is_taken_again_returns_to_the_queue(connection: ScriptedRedis) -> None:
    """Its jobs are at the end of the queue, and new events of it are sent again."""
    apart = made(connection, [None])
    put(connection, apart)
    with capture_logs() as lines:
        apart.check()
    assert [(line["event"], line["jobs"]) for line in lines] == [("no longer apart", 1)]
    assert connection.lrange("rq:queue:botlive", 0, -1) == [b"one-of-shop"]
    assert apart.group(KIND) is None
    assert apart.store.groups() == {}


def test_a_new_reason_is_kept_and_the_kind_is_not_asked_about_at_once(
    connection: ScriptedRedis,
) -> None:
    """People see why the events wait now, and since when they have waited."""
    apart = made(connection, ["another trigger"])
    put(connection, apart)
    apart.check()
    apart.check()
    assert apart.store.groups() == {KIND: Group("another trigger", GROUP.since, GROUP.plain)}
    assert isinstance(apart.gateway, Admits)
    assert apart.gateway.asked == [1]


def test_a_call_that_fails_asks_about_fewer_kinds_next_time(connection: ScriptedRedis) -> None:
    """The tables of one kind may use up the time of all. A kind that fails alone is asked less often."""
    apart = made(connection, TransientFault())
    put(connection, apart)
    put(connection, apart, OTHER)
    for _ in range(4):
        apart.check()
    assert isinstance(apart.gateway, Admits)
    assert apart.gateway.asked == [2, 1, 1]


def test_a_worker_says_at_its_start_what_waits(connection: ScriptedRedis) -> None:
    """One line for each kind, with its reason and the number of its jobs."""
    put(connection, made(connection, [None]))
    apart = made(connection, ["a lock"])
    apart.stop()
    with capture_logs() as lines:
        apart.start()
    assert [(line["event"], line["jobs"], line["reason"]) for line in lines] == [
        ("still apart", 1, GROUP.reason)
    ]


@pytest.mark.parametrize(
    ("error", "logged"), [(redis.ConnectionError(), []), (ZeroDivisionError(), ["ZeroDivisionError"])]
)
def test_the_checks_go_on_after_an_error(
    connection: ScriptedRedis,
    monkeypatch: pytest.MonkeyPatch,
    error: Exception,
    logged: list[str],
) -> None:
    """The main thread reports that Redis is away; a bug is logged once, and the thread does not end."""
    monkeypatch.setattr(module, "_LOOK", 0.001)
    again, apart, calls = threading.Event(), made(connection, [None]), 0

    def groups() -> dict[Kind, Group]:
        nonlocal calls
        calls += 1
        if calls > 3:
            again.set()
            return {}
        if calls > 1:
            raise error
        return {}  # of ``start``

    monkeypatch.setattr(apart.store, "groups", groups)
    with capture_logs() as lines:
        apart.start()
        assert again.wait(30)
        apart.stop()
    assert [line["error"] for line in lines if line["event"] == "check of what waits apart failed"] == logged


def test_an_answer_that_takes_too_long_releases_nothing(
    connection: ScriptedRedis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker would find the shop slow again, so the kind stays, with that reason."""
    apart = made(connection, [None])
    put(connection, apart)
    moments = iter(range(0, 1_000, 6))  # seconds
    monkeypatch.setattr(module, "time", Mock(monotonic=lambda: float(next(moments))))
    apart.check()
    assert apart.store.groups()[KIND].reason == SLOW
    assert apart.store.count(KIND) == 1


def test_a_group_that_another_program_wrote_is_ignored(connection: ScriptedRedis) -> None:
    """Only what a worker can have written is read."""
    apart = made(connection, [None])
    put(connection, apart)
    connection.hset("botlive:apart:botlive", "nonsense", "{}")
    connection.hset("botlive:apart:botlive", json.dumps(["shop", "unknown_type"]), GROUP.dump())
    assert apart.store.groups() == {KIND: GROUP}
