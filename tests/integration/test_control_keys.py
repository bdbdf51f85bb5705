"""Redis keys of the wrong type: the worker does not end, it reports the key, and no event is lost."""

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
from worker.control import Control, WrongKey, kinds
from worker.elements import Element
from worker.scripts import script
from worker.unpacking import LARGEST

pytestmark = pytest.mark.slow

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
    "acknowledge": "zset zset",
    "set_aside": "zset zset hash",
    "give_back": "list zset set",
    "restore": "zset",
    "put_apart": "zset list set hash",
    "recover": "list zset set",
    "release": "list list set hash",
    "replay": "zset list set",
}
"""The types of the keys that each is given."""
HOLD = {f"rq:queue:{QUEUE}", f"rq:wip:{QUEUE}", f"rq:failed:{QUEUE}", "rq:queues", f"botlive:turn:{QUEUE}"}
"""Without these the worker waits for a person; without the others it goes on."""


class Database:
    """A gateway that counts the events; it refuses unknown companies."""

    def __init__(self) -> None:
        self.persisted: list[str] = []

    def persist(self, elements: Sequence[Element], *, apart: bool = False) -> list[Outcome]:
        """See ``gateway.client.Gateway``."""
        self.persisted += [element["event_id"] for element in elements if element["company_id"] == "known"]
        known = (element["company_id"] == "known" for element in elements)
        return [Outcome("persisted" if is_known else "unknown_company") for is_known in known]

    def admits(self, plain_events: Sequence[Any]) -> list[str | None]:
        """See ``gateway.client.Gateway``."""
        return [None for _ in plain_events]

    def probe(self) -> None:
        """See ``gateway.client.Gateway``."""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[redis.Redis]:
    """A Redis server of this module."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    valkey = Valkey(tmp_path_factory.mktemp("valkey"), port)
    valkey.start()
    with redis.Redis(port=port) as connection:
        yield connection
    valkey.stop()


@pytest.fixture
def told(server: redis.Redis, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The wrong keys that the worker has reported. A key that the worker waits for is then corrected."""
    keys: list[str] = []

    def say(_: Control, wrong: WrongKey) -> None:
        keys.append(wrong.key)
        assert f"RENAME {wrong.key} " in str(wrong).replace("'", "")
        if wrong.key in HOLD:
            server.delete(wrong.key)
            with suppress(redis.ResponseError):
                server.rename(f"{wrong.key}.right", wrong.key)

    monkeypatch.setattr(Control, "_say", say)
    monkeypatch.setattr(worker.consumer, "PAUSE", 0.01)
    server.flushall()
    return keys


def url(server: redis.Redis) -> str:
    """Return the server's URL."""
    return f"redis://127.0.0.1:{server.connection_pool.connection_kwargs['port']}/0"


def made(server: redis.Redis, database: Database) -> Consumer:
    """Create a worker that does not run yet."""
    return Consumer(QUEUE, connect_redis(url(server)), cast("Gateway", database), Breaker(500), patience=5)


def put(server: redis.Redis, key: str, kind: str) -> None:
    """Store a value of this type at the key."""
    with suppress(redis.ResponseError):
        server.rename(key, f"{key}.right")
    WAYS[kind](server, key)


def publish(server: redis.Redis) -> tuple[str, str]:
    """Publish an event that is persisted and an event that is refused."""
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
    """For any wrong key, the worker reports it, continues, and each event is in exactly one place."""
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
    """If the registry is lost during a call, the claims are restored and no event is lost."""
    good, bad = publish(server)

    class Thief(Database):
        """A gateway that deletes the registry during its first call."""

        def persist(self, elements: Sequence[Element], *, apart: bool = False) -> list[Outcome]:
            """See ``Database``."""
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


@pytest.mark.parametrize(
    ("step", "at_once"), [("acknowledge", False), ("set_aside", False), ("set_aside", True)]
)
def test_the_registry_is_taken_away_before_the_books_are_kept(
    server: redis.Redis, told: list[str], monkeypatch: pytest.MonkeyPatch, step: str, at_once: bool
) -> None:
    """If the registry is lost before a result is recorded, no event is lost and failures are kept once."""
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
    """Only held jobs are restored: not acknowledged or failed jobs, nor those of another worker."""
    server.flushall()
    jobs = {"mine": ("started", "me"), "theirs": ("started", "they"), "failed": ("failed", "me")}
    for job_id, (status, owner) in jobs.items():
        server.hset(f"rq:job:{job_id}", mapping={"status": status, "worker_name": owner})
    Claims(connect_redis(url(server)), QUEUE, "me").restore([*jobs, "done"])
    assert server.zrange(f"rq:wip:{QUEUE}", 0, -1) == [b"mine:me"]


@pytest.mark.parametrize("key", [f"rq:wip:{QUEUE}", f"rq:failed:{QUEUE}"])
def test_nothing_is_written_of_a_failure_that_cannot_be_kept(server: redis.Redis, key: str) -> None:
    """A wrong registry is reported before RQ would record only a part of a failure."""
    server.flushall()
    server.set(key, ODD)
    with pytest.raises(redis.ResponseError, match=f"^WRONGTYPE zset string {key}$"):
        Claims(connect_redis(url(server)), QUEUE, "me").set_aside("job", "reason", "rq:worker:me")


@pytest.mark.parametrize("kind", [kind for kind in WAYS if kind != "stream"])
def test_what_stands_where_a_reason_belongs_gives_way(
    server: redis.Redis, told: list[str], kind: str
) -> None:
    """A results key of the wrong type is replaced, and the failed event has its reason."""
    _, bad = publish(server)
    WAYS[kind](server, f"rq:results:{bad}")
    made(server, Database()).run(burst=True)
    (failure,) = FailedRegistry(server, QUEUE).all()
    assert (failure.job_id, failure.reason.error) == (bad, "UnknownCompany")
    assert server.xlen(f"rq:results:{bad}") == 1
    assert told == []


def test_what_is_too_large_is_refused_as_it_is(server: redis.Redis, told: list[str]) -> None:
    """Oversized jobs, unread data and ids that RQ does not allow are refused with a reason each."""
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
    """A script checks its keys first and names the wrong one; Redis would stop it half-way."""
    server.flushall()
    kinds_of = SCRIPTS[name].split()
    server.set(f"key {number}", ODD)
    with pytest.raises(redis.ResponseError, match=f"^WRONGTYPE {kinds_of[number]} string key {number}$"):
        script(server, name)(keys=[f"key {index}" for index in range(len(kinds_of))], args=["1"] * 9)


def test_a_wrong_key_is_told_once_and_that_it_is_right_again(server: redis.Redis) -> None:
    """A wrong key is logged once a minute, and once when it is correct again."""
    server.flushall()
    control = Control(server, QUEUE)
    with capture_logs() as log:
        for is_wrong in (False, True, True, False, False, True):
            server.delete("rq:queues")
            if is_wrong:
                server.set("rq:queues", ODD)
            control.report()
    told = [(entry["event"], "RENAME rq:queues rq:queues.found" in entry.get("reason", "")) for entry in log]
    assert told == [("wrong key", True), ("keys are correct again", False), ("wrong key", True)]


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
    """A command reports the wrong key in one line and changes nothing."""
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
    """Put jobs on the queue."""
    for job_id, data in jobs.items():
        server.hset(f"rq:job:{job_id}", "data", cast("str", data))
        server.rpush(key, job_id)


def test_a_claim_does_not_read_what_is_too_large(server: redis.Redis) -> None:
    """Oversized data is not read by a claim, not even to find its shop."""
    server.flushall()
    large = b'["x",null,[{"company_id":"shop"}],{}]' + b" " * LARGEST
    waiting(server, f"rq:queue:{QUEUE}", {"first": b"{}", "large": large})
    waiting(server, f"rq:queue:{QUEUE}:shop:shop", {"later": b"{}"})
    server.rpush(f"botlive:turn:{QUEUE}", "shop")
    batch = Claims(connect_redis(url(server)), QUEUE, "me").claim(9)
    found = [(claim.job_id, claim.data) for claim in batch.claims]
    assert found == [("first", b"{}"), ("large", None), ("later", b"{}")]


def test_a_claim_is_full_when_it_is_heavy(server: redis.Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    """A claim ends at its limit of bytes, on the queue and in overflow queues; the rest waits in order."""
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
    """An invalid command sent to a worker is ignored; RQ's own thread would end."""
    consumer = made(server, Database())
    for data in (b"\xff", b"[" * 100_000, b"{}", b"null", b'{"command":"stop-job","job_id":[1]}'):
        consumer.handle_payload({"data": data})
    consumer.handle_payload({"data": b'{"command":"kill-horse"}'})
