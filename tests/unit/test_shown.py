"""The classes for rq-dashboard: an entry in Redis that cannot be read breaks no page."""

import zlib
from base64 import b64encode
from typing import Any
from unittest.mock import Mock

import fakeredis
import pytest
from redis import ResponseError
from rq import Worker
from rq.job import JobStatus

from operations.shown import ShownJob, ShownQueue, ShownWorker

KEY = "rq:job:one"


@pytest.fixture
def redis() -> fakeredis.FakeStrictRedis:
    """A Redis with one failed job."""
    made = fakeredis.FakeStrictRedis()
    fields: dict[Any, Any] = {"data": "{}", "status": "failed", "created_at": "2026-11-26T10:00:00.000000Z"}
    made.hset(KEY, mapping={**fields, "description": "worker.job.persist('+2250700000000')"})
    return made


def job(redis: fakeredis.FakeStrictRedis) -> ShownJob:
    """Return the job as a page gets it."""
    found = ShownJob.fetch("one", redis)
    assert isinstance(found, ShownJob)
    return found


def test_a_job_is_shown_without_its_arguments(redis: fakeredis.FakeStrictRedis) -> None:
    """They are personal data, in the description and in the call."""
    assert job(redis).description == job(redis).get_call_string() == "worker.job.persist(…)"


@pytest.mark.parametrize(
    "exc_string",
    ["no base64!", b64encode(b"no zlib").decode(), b64encode(zlib.compress(b"x" * 9_000_000)).decode()],
)
def test_a_result_that_cannot_be_read_is_none(redis: fakeredis.FakeStrictRedis, exc_string: str) -> None:
    """It is damaged, or larger than any reason."""
    redis.xadd("rq:results:one", {"type": "2", "exc_string": exc_string})
    assert job(redis).latest_result() is None


def test_a_status_that_is_not_valid_leaves_the_one_before(redis: fakeredis.FakeStrictRedis) -> None:
    """Another program wrote it after the page began to read."""
    found = job(redis)
    redis.hset(KEY, "status", "nonsense")
    assert found.get_status() is JobStatus.FAILED


def test_a_key_of_another_type_is_no_queue_and_no_job(redis: fakeredis.FakeStrictRedis) -> None:
    """The pages show an empty queue, and no job."""
    redis.set("rq:queue:botlive", "x")
    redis.delete(KEY)
    redis.set(KEY, "x")
    queue = ShownQueue("botlive", redis)
    assert queue.count == 0
    assert queue.fetch_job("one") is None
    assert queue.fetch_job("two") is None


@pytest.mark.parametrize(
    "fields",
    [{"last_heartbeat": "nonsense"}, {"birth": "nonsense"}, {"successful_job_count": "many"}],
    ids=str,
)
def test_a_worker_that_cannot_be_read_is_shown(redis: fakeredis.FakeStrictRedis, fields: Any) -> None:
    """The fields after the unreadable one stay unknown, and the other workers are on the page too."""
    redis.sadd("rq:workers", "rq:worker:one", "rq:worker:two", "nonsense")
    redis.hset(
        "rq:worker:one", mapping={"state": "busy", "queues": "botlive", "current_job": "one", **fields}
    )
    redis.hset("rq:worker:two", mapping={"state": "idle", "queues": "botlive"})
    found = {worker.name: worker for worker in ShownWorker.all(connection=redis)}
    assert found.keys() == {"one", "two"}
    assert found["one"].get_state() == "?"


def test_a_current_job_that_cannot_be_read_is_none(
    redis: fakeredis.FakeStrictRedis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The page shows the worker without it."""
    redis.sadd("rq:workers", "rq:worker:one")
    redis.hset("rq:worker:one", mapping={"state": "busy", "queues": "botlive"})
    (worker,) = ShownWorker.all(connection=redis)
    monkeypatch.setattr(Worker, "get_current_job", Mock(side_effect=ResponseError("WRONGTYPE")))
    assert worker.get_current_job() is None
