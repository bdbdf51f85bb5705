"""The worker under unusual conditions that a review or an attack has found."""

import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import psycopg
import pytest
import redis
from rq import Callback, Retry

from devstack.stack import Stack
from devstack.valkey import Valkey
from events import Publisher, PublishError
from operations.failed.registry import FailedRegistry
from tests.integration.line import BOTLIVE_WORKER, Line, until
from tests.make import PHONE, order
from worker.breaker import Breaker
from worker.claims import PREFIX, Claims
from worker.consumer import Consumer

pytestmark = pytest.mark.slow


def claims(line: Line) -> Claims:
    """Return claims of a worker that only claims, and soon counts as dead."""
    return Claims(line.redis, line.name, PREFIX + uuid4().hex)


def waiting(line: Line) -> str:
    """Return the key of the line's queue."""
    return f"rq:queue:{line.name}"


def test_a_claim_whose_answer_was_lost_comes_back(line: Line) -> None:
    """Claims that a living worker does not know of are given back automatically."""
    company_id, uuid = line.shop()
    events = [order(company_id) for _ in range(5)]
    line.publisher.publish_many(events)
    worker = Consumer(line.name, line.redis, line.gateway, Breaker(500))
    assert len(worker._claims.claim(3).claims) == 3
    worker.run(burst=True)
    assert len(line.rows([uuid]).orders) == 5
    assert line.held() == 0


DAMAGE: tuple[dict[Any, Any], ...] = (
    {"suspect": "very", "data": "{}"},
    {"suspect": "-1", "data": "{}"},
    {"suspect": "1", "deaths": "many", "died": "1", "data": "{}"},
    {"retries_left": "2", "data": "{}"},
    {"group_id": "one", "created_at": "yesterday", "data": "{}"},
)


@pytest.mark.parametrize("damage", DAMAGE, ids=str)
def test_no_damage_stops_the_queue(line: Line, damage: dict[Any, Any]) -> None:
    """A job with any damaged hash is set aside, and the event behind it is persisted."""
    company_id, uuid = line.shop()
    bad, good = order(company_id), order(company_id)
    line.publisher.publish_many([bad, good])
    line.redis.hset(f"rq:job:{bad.event_id}", mapping=damage)
    line.work()
    assert line.rows([uuid]).orders.keys() == {good.event_id}
    assert line.failed().keys() == {str(bad.event_id)}


@pytest.mark.parametrize("job_id", [b"no hash", b"no text \xff", b"with:a:colon"])
def test_no_id_stops_the_queue(line: Line, job_id: bytes) -> None:
    """A job that is not a hash, or whose id is not text, is set aside visibly; the others go on."""
    company_id, uuid = line.shop()
    key = b"rq:job:" + job_id
    line.redis.set(key, "x") if job_id == b"no hash" else line.redis.hset(key, "data", "{}")
    line.redis.rpush(waiting(line), job_id)
    good = order(company_id)
    line.publisher.publish(good)
    line.work()
    assert line.rows([uuid]).orders.keys() == {good.event_id}
    assert line.redis.zrange(f"rq:failed:{line.name}", 0, -1) == [job_id]
    assert line.held() == len(line.queue) == 0


@pytest.mark.parametrize("job_id", [b"with:a:colon", b"plain"])
def test_what_a_dead_worker_held_is_given_back_whatever_its_id(line: Line, job_id: bytes) -> None:
    """A dead worker's jobs are recovered with any id, and with an invalid count of deaths."""
    line.redis.hset(b"rq:job:" + job_id, mapping={"data": "{}", "deaths": "many"})
    line.redis.rpush(waiting(line), job_id)
    assert len(claims(line).claim(5).claims) == 1
    claims(line).recover()
    assert line.redis.lrange(waiting(line), 0, -1) == [job_id]
    assert line.redis.hget(b"rq:job:" + job_id, "deaths") == b"1"
    line.redis.delete(waiting(line), b"rq:job:" + job_id)


def test_a_refusal_is_not_retried(line: Line) -> None:
    """A refused job with RQ's own retries is set aside at once."""
    line.queue.enqueue("worker.job.persist", {"type": "nothing"}, retry=Retry(max=2), job_id="retried")
    line.work()
    assert line.failed().keys() == {"retried"}


def test_a_refused_stock_job_is_not_retried_for_ever(line: Line) -> None:
    """A job that RQ runs itself, with retries without end, fails once; the burst ends."""
    job = line.queue.enqueue("builtins.print", on_success=Callback("builtins.print"), job_id="endless")
    line.redis.hset(job.key, "retries_left", "9" * 80)
    line.work()
    assert line.failed().keys() == {"endless"}


def test_what_was_put_off_is_not_starved(line: Line) -> None:
    """While some shops keep the queue full, half of each batch is for overflow queues."""
    flood = line.shop()[0]
    line.publisher.publish_many(order(flood) for _ in range(600))
    claiming = claims(line)
    claiming.claim(100)
    others = [f"other-{number}" for number in range(150)]
    seen = 0
    for _ in range(6):
        line.publisher.publish_many(order(other) for other in others)
        seen += sum(flood.encode() in (claim.data or b"") for claim in claiming.claim(100).claims)
    assert seen >= 6 * 40
    claiming.give_back()


def test_a_burst_ends_with_nothing_waiting(line: Line) -> None:
    """A suspect that was put off returns to the head of the queue and is run before a burst ends."""
    company_id, uuid = line.shop()
    events = [order(company_id) for _ in range(30)]
    line.publisher.publish_many(events)
    claiming = claims(line)
    first = claiming.claim(8)
    claiming.acknowledge([claim.job_id for claim in first.claims], "rq:worker:nobody")
    for event in events:
        if line.redis.exists(f"rq:job:{event.event_id}"):
            line.redis.hset(f"rq:job:{event.event_id}", "suspect", "1")
    line.work()
    assert len(line.rows([uuid]).orders) == 30 - len(first.claims)
    assert len(line.queue) == line.held() == 0
    assert not line.redis.exists(f"botlive:turn:{line.name}")


def test_a_locked_shop_does_not_hold_the_others(line: Line, stack: Stack) -> None:
    """The probe skips locked shops; if all are locked it reports that within seconds."""
    line.shop()
    url = stack.environment["DATABASE_URL"]
    with psycopg.connect(url) as somebody, psycopg.connect(url, autocommit=True) as worker:
        somebody.execute("lock table public.activities in exclusive mode")
        worker.execute("set statement_timeout = '9s'")
        with pytest.raises(psycopg.errors.LockNotAvailable):
            worker.execute("select public.botlive_probe()")


@pytest.fixture
def full(tmp_path: Path) -> Iterator[redis.Redis]:
    """A Redis server with little memory."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    server = Valkey(tmp_path / "valkey", port)
    server.start()
    connection = redis.Redis(port=port)
    connection.config_set("maxmemory", "5mb")
    yield connection
    connection.close()
    server.stop()


def until_full(publisher: Publisher, company_id: str) -> int:
    """Publish until Redis is full; return how many events it accepted."""
    for number in range(20_000):
        try:
            publisher.publish(order(company_id))
        except PublishError:
            return number
    raise AssertionError("it is never full")


@pytest.mark.parametrize("policy", ["noeviction", "volatile-lru"])
def test_a_full_redis_is_emptied(line: Line, full: redis.Redis, policy: str) -> None:
    """A full Redis that deletes no event refuses publishers, but lets workers make room."""
    company_id, uuid = line.shop()
    full.config_set("maxmemory-policy", policy)
    port = full.connection_pool.connection_kwargs["port"]
    with Publisher(redis.Redis(port=port), queue=line.name, within=10) as publisher:
        published = until_full(publisher, company_id)
    line.environment["REDIS_URL"] = f"redis://127.0.0.1:{port}/0"
    done = line.run(*BOTLIVE_WORKER, "--burst")
    assert done.returncode == 0, done.stderr
    assert PHONE not in done.stderr
    assert len(line.rows([uuid]).orders) == published


def test_a_full_redis_ends_no_worker_that_waits(line: Line, full: redis.Redis, tmp_path: Path) -> None:
    """Other software may have filled it: the worker says so, and goes on when there is room."""
    company_id, uuid = line.shop()
    port = full.connection_pool.connection_kwargs["port"]
    full.config_set("maxmemory", 1)
    line.environment |= {"REDIS_URL": f"redis://127.0.0.1:{port}/0", "LOG_DIR": str(tmp_path)}
    with line.worker() as worker, Publisher(redis.Redis(port=port), queue=line.name, within=10) as publisher:
        log = tmp_path / "worker.json"
        until(lambda: log.exists() and '"Redis is full"' in log.read_text(), 20)
        full.config_set("maxmemory", 0)
        publisher.publish(order(company_id))
        until(lambda: len(line.rows([uuid]).orders) == 1, 20)
        assert worker.poll() is None


def test_a_full_redis_keeps_what_is_refused(line: Line, full: redis.Redis) -> None:
    """A refused event moves to the failed registry of a full Redis, and the worker goes on."""
    company_id, uuid = line.shop()
    port = full.connection_pool.connection_kwargs["port"]
    bad, good = order("unknown to all"), order(company_id)
    with Publisher(redis.Redis(port=port), queue=line.name, within=10) as publisher:
        publisher.publish_many([bad, good])
    full.config_set("maxmemory", 1)
    line.environment["REDIS_URL"] = f"redis://127.0.0.1:{port}/0"
    done = line.run(*BOTLIVE_WORKER, "--burst")
    assert done.returncode == 0, done.stderr
    assert FailedRegistry(full, line.name).ids() == [str(bad.event_id)]
    assert line.rows([uuid]).orders.keys() == {good.event_id}
