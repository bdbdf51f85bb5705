"""The RQ worker with our guards."""

from collections.abc import Callable
from unittest.mock import Mock

import fakeredis
import pytest
from redis import ConnectionError as Away
from redis import OutOfMemoryError, RedisError, ResponseError
from redis.client import Pipeline
from redis.exceptions import NoPermissionError
from rq import SimpleWorker
from rq.exceptions import StopRequested
from rq.serializers import JSONSerializer
from structlog.testing import capture_logs

from gateway.release import release
from worker.guard import GuardedWorker, best_effort
from worker.standing import Standing


def made(redis: fakeredis.FakeStrictRedis) -> GuardedWorker:
    """Return a worker."""
    return GuardedWorker(["q"], connection=redis, serializer=JSONSerializer)


def test_the_release_stands_in_the_workers_hash() -> None:
    """The worker's hash has our release; RQ's own version keeps its field."""
    redis = fakeredis.FakeStrictRedis()
    worker = made(redis)
    worker.register_birth()
    assert redis.hget(worker.key, "botlive_version") == release().encode()
    assert redis.hget(worker.key, "version") == worker.version.encode()


def fails(error: Exception) -> Callable[..., None]:
    """Return a function that raises the error."""
    return Mock(side_effect=error)


@pytest.mark.parametrize("error", [OutOfMemoryError("full"), ResponseError("WRONGTYPE of a key")])
def test_records_that_a_worker_does_not_need_may_fail(error: RedisError) -> None:
    """A full Redis and a key of the wrong type end no worker."""
    with best_effort():
        raise error


@pytest.mark.parametrize("error", [ResponseError("NOPERM"), Away("gone")])
def test_other_errors_of_a_record_are_raised(error: RedisError) -> None:
    """Redis is away, or denies access: that concerns the events too."""
    with pytest.raises(type(error)), best_effort():
        raise error


def test_a_full_redis_says_whether_workers_are_suspended(monkeypatch: pytest.MonkeyPatch) -> None:
    """It refuses each command in a transaction, so that a worker would end before it can make room."""
    redis = fakeredis.FakeStrictRedis()
    worker = made(redis)
    monkeypatch.setattr(redis, "pipeline", fails(OutOfMemoryError("full")))
    worker.check_for_suspension(burst=False)
    redis.set("rq:suspended", 1)
    with pytest.raises(StopRequested):
        worker.check_for_suspension(burst=True)


def test_a_worker_that_a_full_redis_has_not_registered_is_not_forgotten(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It registers when there is room. Only if Redis knew it before, Redis has forgotten it."""
    redis = fakeredis.FakeStrictRedis()
    worker = made(redis)
    with monkeypatch.context() as full:
        full.setattr(Pipeline, "execute", fails(OutOfMemoryError("full")))
        worker.register_birth()
    standing = Standing(worker, Mock(acknowledged=0))
    with capture_logs() as lines:
        standing.check()
        assert redis.hget(worker.key, "botlive_version") == release().encode()
        assert lines == []
        redis.flushall()
        standing.check()
    assert [line["event"] for line in lines] == ["Redis forgot"]


def test_maintenance_that_fails_ends_no_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    """RQ raises any exception for a job that it cannot read: its kind is logged."""
    monkeypatch.setattr(SimpleWorker, "run_maintenance_tasks", fails(AssertionError("+2250700000000")))
    with capture_logs() as lines:
        made(fakeredis.FakeStrictRedis()).run_maintenance_tasks()
    assert [(line["event"], line["error"]) for line in lines] == [
        ("RQ's maintenance failed", "AssertionError")
    ]


def test_maintenance_without_redis_is_the_workers_concern(monkeypatch: pytest.MonkeyPatch) -> None:
    """A lost connection is raised: the worker waits for Redis."""
    monkeypatch.setattr(SimpleWorker, "run_maintenance_tasks", fails(Away("gone")))
    with pytest.raises(Away):
        made(fakeredis.FakeStrictRedis()).run_maintenance_tasks()


def test_a_command_that_cannot_be_read_ends_no_worker() -> None:
    """Anybody who can write to Redis may send one: it is logged and ignored."""
    with capture_logs() as lines:
        made(fakeredis.FakeStrictRedis()).handle_payload({"data": b"no JSON"})
    assert [(line["event"], line["error"]) for line in lines] == [("unreadable command", "JSONDecodeError")]


def test_a_server_that_does_not_allow_to_listen_takes_only_rqs_commands_away() -> None:
    """An ACL user has no channels by default: one line says so, without a traceback, and the thread ends."""
    thread = Mock()
    with capture_logs() as lines:
        made(fakeredis.FakeStrictRedis())._pubsub_exception_handler(NoPermissionError("no"), Mock(), thread)
    assert [(line["event"], line["log_level"]) for line in lines] == [("RQ's commands are off", "warning")]
    assert "lacks permissions" in lines[0]["reason"]
    thread.stop.assert_called_once_with()
