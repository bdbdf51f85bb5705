"""The books of a worker: what it records of a job that failed, and which fields RQ would pass to Redis."""

from typing import Any
from unittest.mock import Mock

import fakeredis
import pytest
import redis
from structlog.testing import capture_logs

from gateway.errors import EventRefused, OversizedJob
from tests.unit.scripted import ScriptedRedis
from worker.claims import Claims
from worker.ledger import Ledger

NUMBERS = ("timeout", "ttl", "result_ttl", "failure_ttl")


@pytest.fixture
def connection() -> fakeredis.FakeRedis:
    """A Redis."""
    return fakeredis.FakeRedis()


def read(connection: fakeredis.FakeRedis, **fields: Any) -> Any:
    """The job of this hash, as the books read it."""
    mapping: dict[Any, Any] = {"data": "{}", "status": "started", "origin": "botlive", **fields}
    connection.hset("rq:job:one", mapping=mapping)
    return Ledger(Mock(connection=connection), Claims(connection, "botlive", "botlive-me")).job("one")


@pytest.mark.parametrize("field", NUMBERS)
@pytest.mark.parametrize("value", [str(2**31 + 1), "9" * 400, "-2", "-" + "9" * 400])
def test_a_number_that_redis_takes_from_nobody_is_dropped(
    connection: fakeredis.FakeRedis, field: str, value: str
) -> None:
    """Alone, in any of the fields: Redis would refuse the command in which RQ names it."""
    job = read(connection, **{field: value})
    assert getattr(job, field) in {None, -1}
    assert connection.hget("rq:job:one", field) != value.encode()
    assert connection.hget("rq:job:one", "data") == b"{}"


@pytest.mark.parametrize("field", NUMBERS)
@pytest.mark.parametrize("value", [-1, 0, 180, 2**31])
def test_a_number_that_redis_takes_stays(connection: fakeredis.FakeRedis, field: str, value: int) -> None:
    """A number that Redis accepts is kept, also -1 (no end)."""
    assert getattr(read(connection, **{field: value}), field) == value
    assert connection.hget("rq:job:one", field) == str(value).encode()


OWNER = "botlive-me"
REFUSED = EventRefused("its amount does not fit")


class Books:
    """The ledger of a worker that holds some jobs."""

    def __init__(self, *job_ids: str) -> None:
        self.redis = ScriptedRedis()
        self.worker = Mock(connection=self.redis, key="rq:worker:me", queues=[Mock()])
        self.ledger = Ledger(self.worker, Claims(self.redis, "botlive", OWNER))
        for job_id in job_ids:
            self.redis.hset(f"rq:job:{job_id}", mapping={"data": "{}", "status": "started"})
            self.redis.zadd("rq:wip:botlive", {f"{job_id}:{OWNER}": "+inf"})

    def held(self) -> list[str]:
        """The jobs that the worker holds."""
        members: Any = self.redis.zrange("rq:wip:botlive", 0, -1)
        return [member.decode().rpartition(":")[0] for member in members]

    def failed(self) -> Any:
        """The failed registry."""
        return self.redis.zrange("rq:failed:botlive", 0, -1)


@pytest.mark.parametrize(("job_id", "error"), [("large", OversizedJob()), ("an id:of others", REFUSED)])
def test_a_job_that_rq_cannot_take_is_set_aside_without_rq(job_id: str, error: EventRefused) -> None:
    """A job that is too large, or whose id RQ refuses, is in the failed registry with its reason."""
    books = Books(job_id)
    books.ledger.fail(job_id, error)
    assert books.held() == []
    assert books.failed() == [job_id.encode()]
    assert books.redis.hget(f"rq:job:{job_id}", "exc_info") == error.report.encode()


def test_a_failed_job_that_somebody_discarded_is_released() -> None:
    """Its hash is gone: nothing is recorded, and no claim of it is left."""
    books = Books("one")
    books.redis.delete("rq:job:one")
    with capture_logs() as lines:
        books.ledger.fail("one", REFUSED)
    assert (books.held(), books.failed()) == ([], [])
    assert [line["event"] for line in lines if line["event"] == "set aside"] == []


def test_a_failure_that_cannot_be_recorded_is_not_lost() -> None:
    """The failed registry has another type. The job stays claimed, so that it is tried again."""
    books = Books("one")
    books.redis.set("rq:failed:botlive", "no registry")
    with pytest.raises(redis.ResponseError, match="WRONGTYPE"):
        books.ledger.fail("one", REFUSED)
    assert books.held() == ["one"]
    assert books.redis.hget("rq:job:one", "status") == b"started"


def test_claims_that_were_lost_are_reported() -> None:
    """Another worker may have run the jobs too: the line says how many, and that it does no harm."""
    books = Books("one")
    with capture_logs() as lines:
        books.ledger.acknowledge(["one", "two"])
    assert [(line["event"], line["jobs"]) for line in lines] == [("claims lost", 1)]
    assert "a second run is a duplicate" in lines[0]["reason"]


def test_a_claim_whose_answer_was_lost_is_given_back() -> None:
    """The worker does not know the job, although Redis says that it holds it: one line says so."""
    books = Books("known", "stray")
    with capture_logs() as lines:
        assert books.ledger.give_back_strays({"known"})
        assert not books.ledger.give_back_strays({"known"})
    assert books.held() == ["known"]
    assert books.redis.lrange("rq:queue:botlive", 0, -1) == [b"stray"]
    assert [(line["event"], line["jobs"]) for line in lines] == [("given back", 1)]


@pytest.mark.parametrize("key", ["rq:wip:botlive", "rq:failed:botlive"])
def test_a_registry_of_another_type_fails_before_anything_is_changed(key: str) -> None:
    """RQ would stop half-way. The error names the key as the Lua scripts do."""
    books = Books("one")
    books.redis.delete(key)
    books.redis.set(key, "x")
    before = books.redis.hgetall("rq:job:one")
    with pytest.raises(redis.ResponseError, match=f"WRONGTYPE zset string {key}"):
        books.ledger.fail("one", REFUSED)
    assert books.redis.hgetall("rq:job:one") == before
    books.worker.handle_job_failure.assert_not_called()
