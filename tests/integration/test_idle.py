"""Idle connections that the network drops, and a process that can start no thread."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import redis as client

import events.publishing.queue
from devstack.valkey import Valkey
from events import Publisher, PublishError
from events.publishing import address
from events.publishing.outbox import Outbox
from tests.integration.line import until
from tests.integration.roads import Road, free_port
from tests.make import payment
from worker.bootstrap import connect_redis

pytestmark = pytest.mark.slow

QUEUE = "rq:queue:botlive"
SILENT = 1.5
"""Seconds after which the path drops a connection; a publisher doubts one before that."""


@pytest.fixture
def valkey(tmp_path: Path) -> Iterator[Valkey]:
    """A Valkey of its own."""
    server = Valkey(tmp_path / "valkey", free_port())
    server.start()
    yield server
    server.kill()


@pytest.fixture
def road(valkey: Valkey) -> Iterator[Road]:
    """A proxy to it that drops idle connections."""
    made = Road(valkey.port, silent_after=SILENT)
    yield made
    made.close()


def once(publisher: Publisher) -> None:
    """Publish one event in this thread."""
    publisher.publish(payment())


def awaited(publisher: Publisher) -> None:
    """Publish one event from an event loop."""
    asyncio.run(publisher.apublish(payment()))


def many(publisher: Publisher) -> None:
    """Publish several events in one call."""
    publisher.publish_many([payment() for _ in range(3)])


@pytest.mark.slow
@pytest.mark.parametrize("way", [once, awaited, many])
def test_a_pause_on_a_path_that_drops_what_is_silent(
    valkey: Valkey, road: Road, way: Callable[[Publisher], None]
) -> None:
    """An event after the pause is confirmed in time, for any number of open connections."""
    redis = address.client(f"redis://127.0.0.1:{road.port}/0")
    with Publisher(redis, within=0.8) as publisher:
        for _ in range(3):  # one connection for each concurrent call
            kept = publisher._queue._idle()
            way(publisher)
            if kept:
                publisher._queue._open.append(kept)
        for _ in range(2):
            time.sleep(SILENT + 0.7)
            way(publisher)
    with client.Redis(port=valkey.port) as connection:
        assert connection.llen(QUEUE) >= 5


@pytest.mark.slow
def test_a_connection_that_was_idle_for_long_is_not_used(
    valkey: Valkey, road: Road, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A new connection is opened without waiting for an answer on the old one."""
    monkeypatch.setattr(events.publishing.queue, "_LONGEST", 0.2)
    monkeypatch.setattr(events.publishing.queue, "_SOON", 60.0)
    redis = address.client(f"redis://127.0.0.1:{road.port}/0")
    with Publisher(redis, within=10) as publisher:
        publisher.publish(payment())
        publisher.publish(payment())
        assert road.connections == 1
        time.sleep(SILENT + 0.3)
        started = time.monotonic()
        publisher.publish(payment())
        awaited(publisher)
        assert time.monotonic() - started < 0.4 * 10  # the time for an open connection
        assert road.connections == 2


@pytest.mark.parametrize("make", [address.client, connect_redis, client.Redis.from_url])
def test_connections_are_kept_alive(valkey: Valkey, make: Callable[[str], client.Redis]) -> None:
    """The connections of publisher and worker send keepalive probes before networks drop them."""
    made = make(valkey.url)
    publisher = Publisher(made, within=5)
    publisher.publish(payment())
    [kept] = publisher._queue._open
    lines: list[Any] = [kept.connection._sock]  # redis-py declares it as None
    if make is connect_redis:
        connection = made.connection_pool.get_connection()
        lines.append(connection._sock)
    for line in lines:
        assert line.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
        assert line.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE) == 15
    publisher.close()
    made.close()


# Python 3.12 and later do this when the interpreter ends.
_AT_EXIT = """
import asyncio, atexit, threading, time
from events import PaymentValidated, Publisher

def no_more(thread):
    raise RuntimeError("can't create new thread at interpreter shutdown")

def last():
    threading.Thread.start = no_more
    event = PaymentValidated(company_id="shop", user_id="+2250700112233", amount=1, reference="")
    started = time.monotonic()
    try:
        {call}
    finally:
        print(round(time.monotonic() - started, 3))

publisher = Publisher.from_env(within={within})
atexit.register(last)
"""
_CALLS = ["publisher.publish(event)", "asyncio.run(publisher.apublish(event))"]


def at_exit(call: str, within: float, **environment: str) -> tuple[float, str]:
    """Publish at the end of a process. Return how many seconds it took, and its output."""
    done = subprocess.run(
        [sys.executable, "-c", _AT_EXIT.format(call=call, within=within)],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    return float(done.stdout), done.stderr


@pytest.mark.parametrize("call", _CALLS)
def test_a_first_publish_at_the_interpreters_end(valkey: Valkey, call: str) -> None:
    """No thread can be started then, so the caller's thread publishes."""
    assert at_exit(call, 5, REDIS_URL=valkey.url, BOTLIVE_OUTBOX="")[1] == ""
    with client.Redis(port=valkey.port) as connection:
        assert connection.llen(QUEUE) == 1


@pytest.mark.parametrize("call", _CALLS)
@pytest.mark.parametrize("outbox", [True, False])
def test_the_same_while_redis_hangs(valkey: Valkey, tmp_path: Path, call: str, *, outbox: bool) -> None:
    """The event is in the outbox within the time limit; without an outbox the caller gets an error."""
    file = tmp_path / "outbox.db"
    [pid] = valkey.pids
    os.kill(pid, signal.SIGSTOP)
    try:
        seconds, said = at_exit(call, 1, REDIS_URL=valkey.url, BOTLIVE_OUTBOX=str(file) if outbox else "")
    finally:
        os.kill(pid, signal.SIGCONT)
    assert seconds < 1 + 5  # a busy machine may add this; without the limit it never ends
    if outbox:
        assert len(Outbox(file)) == 1
        assert "Traceback" not in said
    else:
        assert "PublishError: Redis did not confirm the event" in said


def test_a_failover_is_followed_by_the_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """If the old primary refuses writes, the name is looked up again, and no event is refused."""
    first, second = (Valkey(tmp_path / name, free_port()) for name in ("first", "second"))
    first.start()
    second.start()
    now = [first.port]
    look_up = socket.getaddrinfo
    monkeypatch.setattr(
        socket, "getaddrinfo", lambda _, __, *rest, **more: look_up("127.0.0.1", now[0], *rest, **more)
    )
    made = connect_redis("redis://redis.shop.example:6379/0")
    publisher = Publisher(address.client("redis://redis.shop.example:6379/0"), within=5)
    publisher.publish(payment())
    made.set("one", 1)
    with client.Redis.from_url(first.url) as old:
        old.replicaof("127.0.0.1", free_port())
    now[0] = second.port
    made.set("two", 2)
    assert made.eval("return redis.call('SET', KEYS[1], 'x')", 1, "three") == b"OK"
    publisher.publish(payment())
    awaited(publisher)
    assert made.llen(QUEUE) == 2
    publisher.close()
    made.close()
    first.kill()
    second.kill()


def test_a_replica_sends_events_to_the_outbox_and_they_are_delivered_when_it_is_none(
    valkey: Valkey, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The log names the cause once."""
    outbox = Outbox(tmp_path / "outbox.db")
    with client.Redis(port=valkey.port) as connection:
        connection.replicaof("127.0.0.1", free_port())
        with Publisher(address.client(valkey.url), outbox=outbox, within=2) as publisher:
            for _ in range(3):
                publisher.publish(payment())
            until(lambda: "events wait in the outbox: Redis is a read-only replica" in caplog.text, 10)
            time.sleep(1.5)
            connection.replicaof("NO", "ONE")
            until(lambda: len(outbox) == 0, 10)
    assert caplog.text.count("events wait") == 1


def test_what_the_chat_catches_says_why(valkey: Valkey) -> None:
    """The error names the cause and contains no password."""
    with client.Redis(port=valkey.port) as connection:
        connection.config_set("requirepass", "another")
    url = f"redis://:hush@127.0.0.1:{valkey.port}/0"
    with (
        Publisher(address.client(url), within=5) as publisher,
        pytest.raises(PublishError, match="Redis refuses the user or the password") as refused,
    ):
        publisher.publish(payment())
    assert "hush" not in str(refused.value)
