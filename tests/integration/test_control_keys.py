"""Control keys of another type than they should have: no worker ends, it says which, and nothing is lost."""

import socket
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from itertools import product
from typing import Any, cast

import pytest
import redis
from structlog.testing import capture_logs

import worker.claims
import worker.consumer
from devstack.valkey import Valkey
from events import LiveToggled, Publisher
from gateway.client import Gateway, Outcome
from operations import cli
from operations.failed.registry import FailedRegistry
from operations.status import read
from worker.bootstrap import connect_redis
from worker.breaker import Breaker
from worker.claims import Claims
from worker.consumer import Consumer
from worker.control import Control, Misfit, kinds
from worker.elements import Element
from worker.scripts import script
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
SCRIPTS = {
    "claim": "list zset set list",
    "discard": "zset stream",
    "edit": "zset list set stream",
    "finish": "zset zset",
    "give_back": "list zset set",
    "hold_on": "zset",
    "put_apart": "zset list set hash",
    "recover": "list zset set",
    "release": "list list set hash",
    "replay": "zset list set",
}
"""The types of the keys that each is given."""
HOLD = {f"rq:queue:{QUEUE}", f"rq:wip:{QUEUE}", f"rq:failed:{QUEUE}", "rq:queues", f"botlive:turn:{QUEUE}"}
"""Without these the worker waits for a person; without the others it goes on."""


class Database:
    """Takes what it gets, and counts it; refuses who is not known."""

    def __init__(self) -> None:
        self.persisted: list[str] = []

    def persist(self, elements: Sequence[Element], *, apart: bool = False) -> list[Outcome]:
        """As ``gateway.client.Gateway``."""
        self.persisted += [element["event_id"] for element in elements if element["company_id"] == "known"]
        known = (element["company_id"] == "known" for element in elements)
        return [Outcome("persisted" if is_known else "unknown_company") for is_known in known]

    def admits(self, plain_events: Sequence[Any]) -> list[str | None]:
        """As ``gateway.client.Gateway``."""
        return [None for _ in plain_events]

    def probe(self) -> None:
        """As ``gateway.client.Gateway``."""


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
    assert FailedRegistry(server, QUEUE).ids() == [bad]
    assert server.xlen(f"rq:results:{bad}") == 1
    assert not server.exists(f"rq:job:{good}", f"rq:queue:{QUEUE}", f"rq:wip:{QUEUE}")


def test_the_registry_is_taken_away_amid_a_call(server: redis.Redis, told: list[str]) -> None:
    """What is in hand is written down again: the event is acknowledged, or waits; it is nowhere lost."""
    good, bad = publish(server)

    class Thief(Database):
        """While its first call is under way the registry goes."""

        def persist(self, elements: Sequence[Element], *, apart: bool = False) -> list[Outcome]:
            """As ``Database``."""
            if not self.persisted:
                server.set(f"rq:wip:{QUEUE}", ODD)
            return super().persist(elements, apart=apart)

    thief = Thief()
    Consumer(QUEUE, connect_redis(url(server)), cast("Gateway", thief), Breaker(500), patience=5).run(
        burst=True
    )
    assert told
    assert {*thief.persisted} == {good}
    assert FailedRegistry(server, QUEUE).ids() == [bad]
    assert not server.exists(f"rq:job:{good}", f"rq:queue:{QUEUE}", f"rq:wip:{QUEUE}")


@pytest.mark.parametrize(("step", "at_once"), [("finish", False), ("make_way", False), ("make_way", True)])
def test_the_registry_is_taken_away_before_the_books_are_kept(
    server: redis.Redis, told: list[str], monkeypatch: pytest.MonkeyPatch, step: str, at_once: bool
) -> None:
    """What is not under way then is written down again too; what has failed, or is no event, fails once."""
    good, bad = publish(server)
    if at_once:
        server.hset(f"rq:job:{bad}", "data", "{}")
    database, keep = Database(), getattr(Claims, step)
    kept: list[Any] = []

    def late(claims: Claims, *arguments: Any) -> Any:
        if not kept:
            server.set(f"rq:wip:{QUEUE}", ODD)
        kept.append(arguments)
        return keep(claims, *arguments)

    monkeypatch.setattr(Claims, step, late)
    for _ in range(2):  # it waits again, and the first may have found the queue empty before that
        made(server, database).run(burst=True)
    assert f"rq:wip:{QUEUE}" in told
    assert {*database.persisted} == {good}
    assert FailedRegistry(server, QUEUE).ids() == [bad]
    assert server.xlen(f"rq:results:{bad}") == 1
    assert not server.exists(f"rq:job:{good}", f"rq:queue:{QUEUE}", f"rq:wip:{QUEUE}")


def test_only_what_is_in_hand_is_written_down_again(server: redis.Redis) -> None:
    """Not what is done, what has failed, or what another worker holds by now."""
    server.flushall()
    jobs = {"mine": ("started", "me"), "theirs": ("started", "they"), "failed": ("failed", "me")}
    for job_id, (status, owner) in jobs.items():
        server.hset(f"rq:job:{job_id}", mapping={"status": status, "worker_name": owner})
    Claims(connect_redis(url(server)), QUEUE, "me").hold_on([*jobs, "done"])
    assert server.zrange(f"rq:wip:{QUEUE}", 0, -1) == [b"mine:me"]


@pytest.mark.parametrize("key", [f"rq:wip:{QUEUE}", f"rq:failed:{QUEUE}"])
def test_nothing_is_written_of_a_failure_that_cannot_be_kept(server: redis.Redis, key: str) -> None:
    """RQ would write half of it: the registry is named instead, as a script would."""
    server.flushall()
    server.set(key, ODD)
    with pytest.raises(redis.ResponseError, match=f"^WRONGTYPE zset string {key}$"):
        Claims(connect_redis(url(server)), QUEUE, "me").make_way("job")


@pytest.mark.parametrize("kind", [kind for kind in WAYS if kind != "stream"])
def test_what_stands_where_a_reason_belongs_gives_way(
    server: redis.Redis, told: list[str], kind: str
) -> None:
    """A result that is none: the event that has failed has its reason all the same."""
    _, bad = publish(server)
    WAYS[kind](server, f"rq:results:{bad}")
    made(server, Database()).run(burst=True)
    (failure,) = FailedRegistry(server, QUEUE).all()
    assert (failure.job_id, failure.reason.error) == (bad, "UnknownCompany")
    assert server.xlen(f"rq:results:{bad}") == 1
    assert told == []


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
    reasons = {failure.job_id: failure.reason.error for failure in FailedRegistry(server, QUEUE).all()}
    assert reasons == {ids[0]: "OversizedJob", ids[1]: "OversizedJob", "an id: odd": "UndecodableJob"}
    assert server.hget(f"rq:job:{ids[0]}", "data") == zlib.compress(plain)
    assert server.hget(f"rq:job:{ids[1]}", "data") == plain
    assert told == []


@pytest.mark.parametrize(
    ("name", "number"), [(name, n) for name in SCRIPTS for n in range(len(SCRIPTS[name].split()))]
)
def test_no_script_begins_where_a_key_is_of_another_type(server: redis.Redis, name: str, number: int) -> None:
    """It says which key, and what it should be; Redis itself would end it half-way, or not at all."""
    server.flushall()
    kinds_of = SCRIPTS[name].split()
    server.set(f"key {number}", ODD)
    with pytest.raises(redis.ResponseError, match=f"^WRONGTYPE {kinds_of[number]} string key {number}$"):
        script(server, name)(keys=[f"key {index}" for index in range(len(kinds_of))], args=["1"] * 9)


def test_a_wrong_key_is_told_once_and_that_it_is_right_again(server: redis.Redis) -> None:
    """In the log, however often a worker looks within a minute."""
    server.flushall()
    control = Control(server, QUEUE)
    with capture_logs() as log:
        for is_wrong in (False, True, True, False, False, True):
            server.delete("rq:queues")
            if is_wrong:
                server.set("rq:queues", ODD)
            control.tell()
    told = [(entry["event"], "RENAME rq:queues rq:queues.found" in entry.get("reason", "")) for entry in log]
    assert told == [("wrong key", True), ("keys are right again", False), ("wrong key", True)]


@pytest.mark.parametrize(
    ("key", "typed"),
    [
        (f"rq:failed:{QUEUE}", ["--json"]),
        (f"rq:queue:{QUEUE}", ["replay", "{}"]),
        (f"botlive:discarded:{QUEUE}", ["discard", "{}", "--why", "a test"]),
        (f"botlive:edited:{QUEUE}", ["edit", "{}", "--set", "enabled=false"]),
    ],
)
def test_a_command_says_which_key_is_wrong(
    server: redis.Redis,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    key: str,
    typed: list[str],
) -> None:
    """In one line, and it changes nothing."""
    server.flushall()
    _, bad = publish(server)
    made(server, Database()).run(burst=True)
    put(server, key, "string")
    before = server.hgetall(f"rq:job:{bad}")
    monkeypatch.setenv("REDIS_URL", url(server))
    monkeypatch.setenv("BOTLIVE_QUEUE", QUEUE)
    with pytest.raises(SystemExit) as ended:
        cli.main(["failures", *(word.format(bad) for word in typed)])
    (line,) = capsys.readouterr().err.splitlines()[-1:]
    assert (ended.value.code, f"RENAME {key} {key}.found, or DEL {key}" in line) == (2, True), line
    assert server.hgetall(f"rq:job:{bad}") == before


def waiting(server: redis.Redis, key: str, jobs: dict[str, bytes]) -> None:
    """Jobs on a queue of ours."""
    for job_id, data in jobs.items():
        server.hset(f"rq:job:{job_id}", "data", cast("str", data))
        server.rpush(key, job_id)


def test_a_claim_does_not_read_what_is_too_large(server: redis.Redis) -> None:
    """Not even for its shop, whose events wait their turn."""
    server.flushall()
    large = b'["x",null,[{"company_id":"shop"}],{}]' + b" " * LARGEST
    waiting(server, f"rq:queue:{QUEUE}", {"first": b"{}", "large": large})
    waiting(server, f"rq:queue:{QUEUE}:shop:shop", {"later": b"{}"})
    server.rpush(f"botlive:turn:{QUEUE}", "shop")
    batch = Claims(connect_redis(url(server)), QUEUE, "me").claim(9)
    found = [(claim.job_id, claim.data) for claim in batch.claims]
    assert found == [("first", b"{}"), ("large", None), ("later", b"{}")]


def test_a_claim_is_full_when_it_is_heavy(server: redis.Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    """From the queue and from a shop's overflow queue alike; the rest waits, in order."""
    monkeypatch.setattr(worker.claims, "_HEAVIEST", 1_000)
    for key in (f"rq:queue:{QUEUE}", f"rq:queue:{QUEUE}:shop:shop"):
        server.flushall()
        waiting(server, key, dict.fromkeys("abcd", b"x" * 600))
        if ":shop:" in key:
            server.rpush(f"botlive:turn:{QUEUE}", "shop")
        batch = Claims(connect_redis(url(server)), QUEUE, "me").claim(9)
        assert [claim.job_id for claim in batch.claims] == ["a", "b"]
        assert server.lrange(key, 0, -1) == [b"c", b"d"]


def test_a_command_that_is_none_ends_nothing(server: redis.Redis) -> None:
    """Whoever writes to Redis may send a worker anything; RQ's thread would end at it."""
    consumer = made(server, Database())
    for data in (b"\xff", b"[" * 100_000, b"{}", b"null", b'{"command":"stop-job","job_id":[1]}'):
        consumer.handle_payload({"data": data})
    consumer.handle_payload({"data": b'{"command":"kill-horse"}'})
