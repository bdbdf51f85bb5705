"""Redis forgets what a worker has done: no row changes, nothing is missing in the end, and it is said."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from devstack.stack import Stack
from events import Publisher
from events.publishing import address
from tests.chaos import amnesia
from tests.integration.line import Line, locked_orders, until
from tests.integration.test_ways import Place, Worker
from tests.make import order

pytestmark = pytest.mark.slow


@pytest.fixture
def place(tmp_path: Path, line: Line) -> Iterator[Place]:
    """A Redis of its own."""
    made = Place(tmp_path, line)
    yield made
    made.close()


@pytest.fixture
def publisher(place: Place) -> Iterator[Publisher]:
    """A publisher to it."""
    with Publisher(address.client(place.url()), queue=place.line.name, within=10) as made:
        yield made


def waiting(place: Place) -> int:
    """Return how many jobs are waiting or claimed."""
    name = place.line.name
    return int(place.redis.llen(f"rq:queue:{name}")) + int(place.redis.zcard(f"rq:wip:{name}"))


def failed(place: Place) -> list[bytes]:
    """The ids in the failed registry."""
    found: Any = place.redis.zrange(f"rq:failed:{place.line.name}", 0, -1)
    return list(found)


def is_registered(place: Place, worker: Worker) -> bool:
    """Whether people's tools see it."""
    (key,) = place.redis.smembers("rq:workers") or [b""]
    return bool(key) and place.redis.hget(key, "pid") == str(worker.process.pid).encode()


def test_what_a_worker_acknowledged_and_set_aside(place: Place, publisher: Publisher) -> None:
    """It comes again: the order is a duplicate, and the refused event is refused again."""
    company_id, uuid = place.line.shop()
    refused = order("unknown to all")
    publisher.publish_many([order(company_id), refused])
    size = amnesia.size_of(place.valkey)
    with place.worker(place.url()) as worker:
        until(lambda: len(failed(place)) == 1 and waiting(place) == 0, 30)
        before = place.line.rows([uuid])
        place.valkey.kill()
        amnesia.cut(place.valkey, size)
        place.valkey.start()
        worker.says("Redis forgot", "its last writes are lost")
        until(lambda: len(worker.said("duplicate")) == 1, 30)
        until(lambda: len(failed(place)) == 1 and waiting(place) == 0, 30)
        assert failed(place) == [str(refused.event_id).encode()]
        assert place.line.rows([uuid]) == before
        until(lambda: is_registered(place, worker), 30)


def test_claims_that_are_forgotten_amid_a_call(place: Place, publisher: Publisher, stack: Stack) -> None:
    """Their jobs wait again, and are duplicates; the worker says that it no longer held them."""
    company_id, uuid = place.line.shop()
    publisher.publish_many(order(company_id) for _ in range(3))
    size = amnesia.size_of(place.valkey)
    with place.worker(place.url()) as worker:
        with locked_orders(stack):
            until(lambda: int(place.redis.zcard(f"rq:wip:{place.line.name}")) == 3, 30)
            place.valkey.kill()
            amnesia.cut(place.valkey, size)
            place.valkey.start()
        worker.says("claims lost", "Redis forgot the claims")
        until(lambda: waiting(place) == 0, 30)
        assert len(place.line.rows([uuid]).orders) == 3
        assert failed(place) == []


def test_a_restart_without_the_file(place: Place, publisher: Publisher) -> None:
    """The worker is registered again, and persists what the publisher brings back."""
    company_id, uuid = place.line.shop()
    with place.worker(place.url()) as worker:
        publisher.publish(order(company_id))
        until(lambda: len(place.line.rows([uuid]).orders) == 1 and waiting(place) == 0, 30)
        place.valkey.kill()
        shutil.rmtree(place.valkey.directory / "appendonlydir")
        place.valkey.start()
        worker.says("Redis forgot")
        until(lambda: is_registered(place, worker), 30)
        until(lambda: len(worker.said("duplicate")) == 1, 30)
        publisher.publish(order(company_id))
        until(lambda: len(place.line.rows([uuid]).orders) == 2, 30)
        assert worker.process.poll() is None
        assert len(worker.said("Redis forgot")) == 1
