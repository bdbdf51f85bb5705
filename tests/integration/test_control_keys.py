"""Control keys of another type than they should have: no worker ends, it says which, and nothing is lost."""

import socket
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from itertools import product
from typing import Any, cast

import pytest
import redis

import worker.consumer
from events import LiveToggled, Publisher
from localstack.valkey import Valkey
from worker.bootstrap import connect_redis
from worker.breaker import Breaker
from worker.consumer import Consumer
from worker.control import Control, Misfit, kinds
from worker.elements import Element
from worker.failures import Failures
from worker.gateway import Gateway, Outcome
from worker.status import read
from worker.unpacking import LARGEST

QUEUE = "control"
ODD = b"\xff\x00 {odd}:\r\n\x1b[31m"
WAYS: dict[str, Callable[[redis.Redis, str], object]] = {
    "string": lambda connection, key: connection.set(key, ODD),
    "list": lambda connection, key: connection.rpush(key, ODD, ODD),
    "set": lambda connection, key: connection.sadd(key, ODD),
    "zset": lambda connection, key: connection.zadd(key, {ODD: 1}),
    "hash": lambda connection, key: connection.hset(key, cast("str", ODD), ODD),
    "stream": lambda connection, key: connection.xadd(key, {ODD: ODD}),
}
KEYS = {**kinds(QUEUE), "rq:worker:{}": "hash"}
HOLD = {f"rq:queue:{QUEUE}", f"rq:wip:{QUEUE}", f"rq:failed:{QUEUE}", "rq:queues", f"botlive:turn:{QUEUE}"}
"""Without these the worker waits for a person; without the others it goes on."""


class Database:
    """Takes what it gets, and counts it; refuses who is not known."""

    def __init__(self) -> None:
        self.persisted: list[str] = []

    def persist_elements(self, elements: Sequence[Element], *, apart: bool = False) -> list[Outcome]:
        """As ``worker.gateway.Gateway``."""
        self.persisted += [element["event_id"] for element in elements if element["company_id"] == "known"]
        known = (element["company_id"] == "known" for element in elements)
        return [Outcome("persisted" if is_known else "unknown_company") for is_known in known]

    def admits(self, plain_events: Sequence[Any]) -> list[str | None]:
        """As ``worker.gateway.Gateway``."""
        return [None for _ in plain_events]

    def probe(self) -> None:
        """As ``worker.gateway.Gateway``."""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[redis.Redis]:
    """A Redis of this module's own."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    valkey = Valkey(tmp_path_factory.mktemp("valkey"), port)
    valkey.start()
    with redis.Redis(port=port) as connection:
        yield connection
    valkey.stop()


@pytest.fixture
def told(server: redis.Redis, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The keys that a worker told of. What it waits for is mended then, as it says: the key is put right."""
    keys: list[str] = []

    def say(_: Control, misfit: Misfit) -> None:
        keys.append(misfit.key)
        assert f"RENAME {misfit.key} " in str(misfit).replace("'", "")
        if misfit.key in HOLD:
            server.delete(misfit.key)
            with suppress(redis.ResponseError):
                server.rename(f"{misfit.key}.right", misfit.key)

    monkeypatch.setattr(Control, "_say", say)
    monkeypatch.setattr(worker.consumer, "PAUSE", 0.01)
    server.flushall()
    return keys


def url(server: redis.Redis) -> str:
    """Its address."""
    return f"redis://127.0.0.1:{server.connection_pool.connection_kwargs['port']}/0"


def made(server: redis.Redis, database: Database) -> Consumer:
    """A worker, before it runs."""
    return Consumer(QUEUE, connect_redis(url(server)), cast("Gateway", database), Breaker(500), patience=5)


def put(server: redis.Redis, key: str, kind: str) -> None:
    """Something of that type in the key's place."""
    with suppress(redis.ResponseError):
        server.rename(key, f"{key}.right")
    WAYS[kind](server, key)


def publish(server: redis.Redis) -> tuple[str, str]:
    """An event that is persisted, and one that is refused."""
    events = [LiveToggled(company_id=company, enabled=True) for company in ("known", "unknown")]
    with Publisher(redis.Redis.from_url(url(server)), queue=QUEUE, within=5) as publisher:
        publisher.publish_many(events)
    good, bad = (str(event.event_id) for event in events)
    return good, bad


COMBINATIONS = [
    pytest.param(key, kind, marks=[] if kind == "string" else pytest.mark.slow)
    for (key, wanted), kind in product(KEYS.items(), WAYS)
    if kind != wanted
]


@pytest.mark.parametrize(("key", "kind"), COMBINATIONS)
def test_a_key_of_another_type_ends_no_worker(
    server: redis.Redis, told: list[str], key: str, kind: str
) -> None:
    """Whichever it is, the worker says so, does what can be done, and each event is in one place."""
    good, bad = publish(server)
    database = Database()
    consumer = Consumer(
        QUEUE, connect_redis(url(server)), cast("Gateway", database), Breaker(500), patience=5
    )
    key = key.format(consumer.name)
    put(server, key, kind)
    read(server, QUEUE)
    consumer.run(burst=True)
    assert key in told
    assert {*database.persisted} == {good}
    assert Failures(server, QUEUE).ids() == [bad]
    assert not server.exists(f"rq:job:{good}", f"rq:queue:{QUEUE}", f"rq:wip:{QUEUE}")


def test_the_registry_is_taken_away_amid_a_call(server: redis.Redis, told: list[str]) -> None:
    """What is in hand is written down again: the event is acknowledged, or waits; it is nowhere lost."""
    good, bad = publish(server)

    class Thief(Database):
        """While its first call is under way the registry goes."""

        def persist_elements(self, elements: Sequence[Element], *, apart: bool = False) -> list[Outcome]:
            """As ``Database``."""
            if not self.persisted:
                server.set(f"rq:wip:{QUEUE}", ODD)
            return super().persist_elements(elements, apart=apart)

    thief = Thief()
    Consumer(QUEUE, connect_redis(url(server)), cast("Gateway", thief), Breaker(500), patience=5).run(
        burst=True
    )
    assert told
    assert {*thief.persisted} == {good}
    assert Failures(server, QUEUE).ids() == [bad]
    assert not server.exists(f"rq:job:{good}", f"rq:queue:{QUEUE}", f"rq:wip:{QUEUE}")


def test_what_is_too_large_is_refused_as_it_is(server: redis.Redis, told: list[str]) -> None:
    """A bomb, plain data that was not even read, and an id that RQ does not admit: each with its reason."""
    ids, plain = [*publish(server)], b"x" * (LARGEST + 1)
    server.hset(f"rq:job:{ids[0]}", "data", zlib.compress(plain))
    server.hset(f"rq:job:{ids[1]}", "data", plain)
    server.hset("rq:job:an id: odd", mapping={"data": "[]", "created_at": "never"})
    server.rpush(f"rq:queue:{QUEUE}", "an id: odd")
    Consumer(QUEUE, connect_redis(url(server)), cast("Gateway", Database()), Breaker(9), patience=5).run(
        burst=True
    )
    reasons = {failure.job_id: failure.reason.error for failure in Failures(server, QUEUE).all()}
    assert reasons == {ids[0]: "OversizedJob", ids[1]: "OversizedJob", "an id: odd": "UndecodableJob"}
    assert server.hget(f"rq:job:{ids[0]}", "data") == zlib.compress(plain)
    assert server.hget(f"rq:job:{ids[1]}", "data") == plain
    assert told == []


def test_a_command_that_is_none_ends_nothing(server: redis.Redis) -> None:
    """Whoever writes to Redis may send a worker anything; RQ's thread would end at it."""
    consumer = made(server, Database())
    for data in (b"\xff", b"[" * 100_000, b"{}", b"null", b'{"command":"stop-job","job_id":[1]}'):
        consumer.handle_payload({"data": data})
    consumer.handle_payload({"data": b'{"command":"kill-horse"}'})
