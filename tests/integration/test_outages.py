"""What is away comes back: no event pays, and no hand is needed."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import pytest
import redis

from devstack.server import Server
from devstack.stack import Stack
from devstack.valkey import Valkey
from tests.children import ending
from tests.integration.line import BOTLIVE_WORKER, Line, locked_orders, until
from tests.make import order
from tests.replies import text
from worker.durability import doubts

ROOT = Path(__file__).parents[2]
WEEK = 7 * 24 * 3600.0
OUTAGE = 8.0  # seconds that the week takes here


@contextmanager
def logged(line: Line, log: Path, *command: str, **environment: str) -> Iterator[subprocess.Popen[bytes]]:
    """A process in the line's environment, whose log goes to a file."""
    with log.open("wb") as file:
        started = subprocess.Popen(command, cwd=ROOT, env={**line.environment, **environment}, stderr=file)
    with ending(started) as process:
        yield process
        process.terminate()
        process.wait(timeout=30)


def said(log: Path, event: str) -> list[dict[str, Any]]:
    """The lines of the log that say this."""
    lines = [json.loads(text) for text in log.read_text().splitlines()]
    return [entry for entry in lines if entry["event"] == event]


def state(line: Line) -> tuple[str, str]:
    """What the line's one worker says of itself: its state, and why it holds events."""
    (name,) = line.redis.smembers(f"rq:workers:{line.name}")
    told = line.redis.hmget(text(name), "state", "held")
    return text(told[0] or b""), text(told[1] or b"")


@pytest.mark.slow
def test_a_week_without_supabase(line: Line, stack: Stack, tmp_path: Path) -> None:
    """A real worker with a faster retry clock logs one line, uses no attempts, and needs no operator."""
    company_id, uuid = line.shop()
    events = [order(company_id) for _ in range(30)]
    log = tmp_path / "log"
    command = [sys.executable, "-m", "tests.integration.hurried", str(WEEK / OUTAGE)]
    stack.gateway.kill()
    try:
        with logged(line, log, *command):
            line.publisher.publish_many(events)
            until(lambda: len(said(log, "held")) > 0, 20)
            time.sleep(OUTAGE)
            jobs = [line.redis.hgetall(f"rq:job:{event.event_id}") for event in events]
            assert not [job for job in jobs if {b"deaths", b"suspect", b"retries_left"} & job.keys()]
            assert len(line.queue) == 30
            stack.gateway.start()
            until(lambda: len(line.rows([uuid]).orders) == 30, 20)
            until(lambda: line.held() == 0, 5)
    finally:
        stack.gateway.start()
    assert line.failed() == {}
    assert len(said(log, "held")) == 1
    assert len(said(log, "resumed")) == 1


@pytest.mark.slow
def test_a_worker_that_holds_says_so(line: Line, stack: Stack) -> None:
    """Its state is `suspended` while the breaker is open, with the reason beside it; not a moment longer."""
    company_id, uuid = line.shop()
    with line.worker():
        line.publisher.publish(order(company_id))
        until(lambda: len(line.rows([uuid]).orders) == 1, 20)
        stack.gateway.kill()
        try:
            line.publisher.publish(order(company_id))
            until(lambda: state(line)[0] == "suspended", 10)
            assert "the events wait" in state(line)[1]
        finally:
            stack.gateway.start()
        until(lambda: len(line.rows([uuid]).orders) == 2, 30)
        until(lambda: state(line) == ("idle", ""), 10)


@pytest.mark.slow
def test_a_rotated_key_costs_nothing(line: Line, tmp_path: Path) -> None:
    """With the old key events wait and one line gives the cure; a worker with the new key persists all."""
    company_id, uuid = line.shop()
    events = [order(company_id) for _ in range(20)]
    log = tmp_path / "log"
    line.publisher.publish_many(events)
    with logged(line, log, *BOTLIVE_WORKER, SUPABASE_KEY="sb_secret_of_yesterday"):
        until(lambda: len(said(log, "held")) > 0, 20)
        time.sleep(2)
    (held,) = said(log, "held")
    assert "check that SUPABASE_KEY" in held["reason"]
    assert line.queue.get_job_ids() == [str(event.event_id) for event in events]
    line.work()
    assert len(line.rows([uuid]).orders) == 20
    assert line.failed() == {}


def idle(line: Line, stack: Stack) -> None:
    """Redis goes and comes back while the worker waits for a job."""
    stack.valkey.kill()
    stack.valkey.start()


def with_a_batch_under_way(line: Line, stack: Stack) -> None:
    """The same while the database has not answered yet."""
    with locked_orders(stack):
        line.publisher.publish(order(line.shops[0]))
        until(lambda: line.held() == 1, 10)
        stack.valkey.kill()
    time.sleep(0.5)  # the answer comes, and cannot be noted down
    stack.valkey.start()


def with_supabase_away(line: Line, stack: Stack) -> None:
    """The same while the breaker is open."""
    stack.gateway.kill()
    line.publisher.publish(order(line.shops[0]))
    until(lambda: state(line)[0] == "suspended", 10)
    stack.valkey.kill()
    time.sleep(0.5)
    stack.valkey.start()
    stack.gateway.start()


def longer_than_a_lease(line: Line, stack: Stack) -> None:
    """The same for so long that the worker counts as dead."""
    with locked_orders(stack):
        line.publisher.publish(order(line.shops[0]))
        until(lambda: line.held() == 1, 10)
        stack.valkey.kill()
        time.sleep(9)
        stack.valkey.start()


@pytest.mark.slow
@pytest.mark.parametrize("outage", [idle, with_a_batch_under_way, with_supabase_away, longer_than_a_lease])
def test_redis_restarts(line: Line, stack: Stack, outage: Any) -> None:
    """The same process continues in any state, and every event is persisted once."""
    company_id, uuid = line.shop()
    with line.worker() as process:
        line.publisher.publish(order(company_id))
        until(lambda: len(line.rows([uuid]).orders) == 1 and line.held() == 0, 20)
        outage(line, stack)
        line.publisher.publish(order(company_id))
        expected = 2 if outage is idle else 3
        until(lambda: len(line.rows([uuid]).orders) == expected, 40)
        until(lambda: line.held() == 0, 10)
        assert process.poll() is None
    assert len(line.rows([uuid]).activities) == expected
    assert line.failed() == {}


@pytest.fixture
def own() -> Iterator[tuple[Stack, Line]]:
    """A stack whose database may crash: other tests keep connections to theirs."""
    with Stack() as stack:
        line = Line(stack)
        yield stack, line
        line.close()


@pytest.mark.slow
def test_postgres_restarts(own: tuple[Stack, Line]) -> None:
    """If the database crashes during a batch, the same worker process persists every event once."""
    stack, line = own
    company_id, uuid = line.shop()
    with line.worker() as process:
        line.publisher.publish_many([order(company_id) for _ in range(2_000)])
        until(lambda: line.held() > 0, 20)
        line.database.close()
        stack.postgres.kill()
        stack.postgres.start()
        line.connect()
        until(lambda: len(line.rows([uuid]).orders) == 2_000, 40)
        until(lambda: line.held() == 0, 10)
        assert process.poll() is None
    assert len(line.rows([uuid]).activities) == 2_000
    assert line.failed() == {}


@contextmanager
def frozen(pids: list[int]) -> Iterator[None]:
    """Freeze these servers, so that they do not answer."""
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)


@contextmanager
def killed(server: Server) -> Iterator[None]:
    """This server is away meanwhile."""
    server.kill()
    try:
        yield
    finally:
        server.start()


@pytest.mark.slow
@pytest.mark.parametrize("where", ["supabase away", "redis away", "all hang"])
def test_a_stop_waits_for_nobody(line: Line, stack: Stack, where: str) -> None:
    """SIGTERM: the worker is gone within 10 s, whoever is away; the next one persists what waits."""
    company_id, uuid = line.shop()
    outages: dict[str, Callable[[], AbstractContextManager[None]]] = {
        "supabase away": lambda: killed(stack.gateway),
        "redis away": lambda: killed(stack.valkey),
        "all hang": lambda: frozen([*stack.valkey.pids, *stack.gateway.pids]),
    }
    with line.worker() as process:
        line.publisher.publish(order(company_id))
        until(lambda: len(line.rows([uuid]).orders) == 1 and line.held() == 0, 20)
        line.publisher.publish_many(order(company_id) for _ in range(1_000))
        with outages[where]():
            time.sleep(1)
            process.terminate()
            started = time.monotonic()
            process.wait(timeout=30)
            assert time.monotonic() - started <= 10
    # What it could not give back is its lease's for another 6 s.
    until(lambda: line.work() is not None and len(line.rows([uuid]).orders) == 1_001, 20)
    assert line.failed() == {}


def test_a_redis_that_may_lose_events_is_told_of(tmp_path: Path) -> None:
    """Without an append-only file, or if it deletes keys that do not expire, the worker says what to set."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    server = Valkey(tmp_path / "valkey", port)
    server.start()
    try:
        connection = redis.Redis(port=port)
        assert doubts(connection) == []
        connection.config_set("maxmemory-policy", "volatile-lru")
        assert doubts(connection) == []
        connection.config_set("appendonly", "no")
        connection.config_set("maxmemory-policy", "allkeys-lru")
        told = doubts(connection)
        assert ["appendonly yes" in told[0], "noeviction" in told[1]] == [True, True]
        connection.acl_setuser("default", commands=["-info"])
        assert "INFO is not allowed" in doubts(connection)[0]
        connection.close()
    finally:
        server.stop()
