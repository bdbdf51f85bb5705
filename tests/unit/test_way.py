"""The worker's retries of Redis commands: how long it retries, what it retries, and what it logs."""

import threading
import time
from collections.abc import Callable, Iterator
from typing import Any
from unittest.mock import Mock

import pytest
import redis
import structlog
from redis.exceptions import ConnectionError as Lost
from redis.exceptions import NoPermissionError, NoScriptError, OutOfMemoryError, ReadOnlyError, ResponseError
from structlog.testing import capture_logs

from events.publishing.notices import EVERY, Notices
from gateway.errors import RedisUnusable
from worker.redis_retry import START_PATIENCE, RedisRetry, retry_of, starting, translating_errors


class Clock:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        """Return the present time in seconds."""
        return self.now


@pytest.fixture
def clock() -> Clock:
    """A clock that stands still until a test moves it."""
    return Clock()


@pytest.fixture
def retry(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> RedisRetry:
    """A retry policy that does not sleep."""
    monkeypatch.setattr("redis.retry.sleep", lambda _: None)
    return RedisRetry(clock)


@pytest.fixture(autouse=True)
def logs() -> Iterator[list[Any]]:
    """The log lines of the test."""
    structlog.reset_defaults()
    with capture_logs() as captured:
        yield captured


def call(clock: Clock, *errors: Exception, step: float = 1.0) -> Callable[[], str]:
    """Return a call that raises these errors in turn, ``step`` seconds apart, and then succeeds."""
    left = list(errors)

    def do() -> str:
        clock.now += step
        if left:
            raise left.pop(0)
        return "done"

    return do


def nothing(*_: object) -> None:
    """A fake of redis-py's failure handler."""


def test_a_failure_is_said_once_and_that_it_is_over(retry: RedisRetry, clock: Clock, logs: list[Any]) -> None:
    """One line is logged when Redis is away and one when it is back, independent of the tries."""
    assert retry.call_with_retry(call(clock, *[Lost("x")] * 20), nothing) == "done"
    assert [entry["event"] for entry in logs] == ["Redis away", "Redis back"]
    assert "the connection to Redis failed" in logs[0]["reason"]


def test_it_is_said_again_every_minute(retry: RedisRetry, clock: Clock, logs: list[Any]) -> None:
    """The line is repeated once a minute as long as Redis is away."""
    retry.call_with_retry(call(clock, *[Lost("x")] * 11, step=EVERY / 2 + 0.01), nothing)
    assert [entry["event"] for entry in logs].count("Redis away") == 6


def test_another_kind_of_trouble_is_said_at_once(retry: RedisRetry, clock: Clock, logs: list[Any]) -> None:
    """Each kind of cause is logged at once, and then at most once a minute, even if they alternate."""
    turn = [Lost("Connection closed by server."), redis.BusyLoadingError("x")] * 5
    retry.call_with_retry(call(clock, *turn), nothing)
    assert [entry["event"] for entry in logs] == ["Redis away", "Redis away", "Redis back"]


@pytest.mark.parametrize("error", [redis.AuthenticationError("invalid password"), Lost("name resolution")])
def test_at_the_start_what_lasts_is_given_up(retry: RedisRetry, clock: Clock, error: Exception) -> None:
    """A starting worker gives up after a bounded time on an error that an operator must fix."""
    began = clock.now
    with pytest.raises(RedisUnusable):
        retry.call_with_retry(call(clock, *[error] * 100), nothing)
    assert START_PATIENCE < clock.now - began < START_PATIENCE + 3


def test_at_the_start_what_passes_is_waited_for(retry: RedisRetry, clock: Clock) -> None:
    """A starting worker waits without limit for a Redis that may start later."""
    assert (
        retry.call_with_retry(call(clock, *[Lost("Connection closed by server.")] * 100), nothing) == "done"
    )


def test_once_in_nothing_ends_it(retry: RedisRetry, clock: Clock, logs: list[Any]) -> None:
    """After the start, a changed password or a missing permission is retried until an operator fixes it."""
    retry.started()
    errors = [
        redis.AuthenticationError("x"),
        NoPermissionError("x"),
        ResponseError("DB index is out of range"),
    ]
    assert retry.call_with_retry(call(clock, *errors * 20), nothing) == "done"
    assert len({entry.get("reason") for entry in logs}) == 4


@pytest.mark.parametrize(
    "error",
    [
        ReadOnlyError("You can't write against a read only replica."),
        ResponseError("UNBLOCKED force unblock from blocking operation"),
        ResponseError("@user_script:1: -READONLY You can't write"),
    ],
)
def test_what_stands_for_a_lost_connection_is_tried_over_a_new_one(
    retry: RedisRetry, clock: Clock, error: Exception
) -> None:
    """Redis-py gets a lost connection: it drops the connection, and resolves the host name again."""
    heard: list[Exception] = []
    assert retry.call_with_retry(call(clock, error), heard.append) == "done"
    assert [type(one) for one in heard] == [Lost]
    assert heard[0].__cause__ is error


@pytest.mark.parametrize("error", [OutOfMemoryError("x"), ResponseError("WRONGTYPE x"), ValueError("x")])
def test_other_answers_are_the_callers(
    retry: RedisRetry, clock: Clock, error: Exception, logs: list[Any]
) -> None:
    """Other errors are raised at once, and nothing is logged."""
    retry.started()
    with pytest.raises(type(error)):
        retry.call_with_retry(call(clock, error), nothing)
    assert logs == []


def test_what_is_optional_may_be_refused(retry: RedisRetry, clock: Clock) -> None:
    """In an optional block a missing permission is raised; after the block it is waited for again."""
    retry.started()
    with retry.optional(), pytest.raises(NoPermissionError):
        retry.call_with_retry(call(clock, NoPermissionError("x")), nothing)
    assert retry.call_with_retry(call(clock, NoPermissionError("x")), nothing) == "done"


def test_another_thread_is_not_held_by_a_right_that_it_lacks(retry: RedisRetry, clock: Clock) -> None:
    """In RQ's command thread, which is optional, a missing permission is raised at once."""
    retry.started()
    seen: list[Exception] = []

    def run() -> None:
        try:
            retry.call_with_retry(call(clock, NoPermissionError("x")), nothing)
        except NoPermissionError as error:
            seen.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    assert len(seen) == 1


def test_it_is_over_when_nobody_is_in_trouble_any_more(
    retry: RedisRetry, clock: Clock, logs: list[Any]
) -> None:
    """A new connection or another command that succeeds does not mean that Redis is back."""
    inner = call(clock)

    def fail(_: Exception) -> None:
        retry.call_with_retry(inner, nothing)  # as it connects anew

    retry.call_with_retry(call(clock, *[ReadOnlyError("x")] * 3), fail)
    assert [entry["event"] for entry in logs] == ["Redis away", "Redis back"]


def test_all_connections_go_one_way() -> None:
    """All connections share one policy, although redis-py copies it for each connection."""
    retry = RedisRetry()
    pool = redis.Redis.from_url("redis://127.0.0.1:1", retry=retry).connection_pool
    one, other = (pool.connection_class(**pool.connection_kwargs) for _ in range(2))
    assert one.retry is other.retry is retry


class Server:
    """A client of a server with the given INFO."""

    def __init__(self, retry: RedisRetry, **info: Any) -> None:
        self.connection_pool = self
        self.connection_kwargs = {"retry": retry}
        self._info = {"aof_enabled": 1, "maxmemory_policy": "noeviction", **info}
        self.eval = self.blmove = Mock()
        self.ahead = 0

    def info(self, _: str) -> dict[str, Any]:
        """Return all of INFO."""
        return self._info

    def time(self) -> tuple[int, int]:
        """Return the seconds and microseconds of its clock."""
        return int(time.time()) + self.ahead, 0


def test_a_worker_is_in_after_its_first_steps(retry: RedisRetry, clock: Clock) -> None:
    """A missing permission ends the start in one line; after the start it is waited for."""
    server: Any = Server(retry, redis_version="7.2.4")
    with pytest.raises(RedisUnusable, match="lacks permissions"), starting(server):
        raise NoPermissionError("x")
    with starting(server):
        pass
    assert retry_of(server) is retry
    assert retry.call_with_retry(call(clock, NoPermissionError("x")), nothing) == "done"


def test_a_server_that_cannot_do_is_told_at_the_start(retry: RedisRetry) -> None:
    """A server that is too old is reported before any other command."""
    server: Any = Server(retry, redis_version="6.2.14")
    with pytest.raises(RedisUnusable, match="older than 7"), starting(server):
        pytest.fail("it went in")


def test_a_command_that_is_not_allowed_is_told_at_the_start(retry: RedisRetry) -> None:
    """A worker that could not wait for a job would look alive and persist nothing."""
    server: Any = Server(retry, redis_version="7.2.4")
    server.blmove = Mock(side_effect=NoPermissionError("no permissions to run the 'blmove' command"))
    with pytest.raises(RedisUnusable, match="lacks permissions"), starting(server):
        pytest.fail("it went in")
    server.blmove = Mock(side_effect=OutOfMemoryError("command not allowed"))
    with starting(server):
        pass


@pytest.mark.parametrize(("ahead", "sign"), [(0, ""), (3600, "+"), (-315_360_000, "-")])
def test_a_wrong_clock_is_told_at_the_start(retry: RedisRetry, ahead: int, sign: str) -> None:
    """If the clocks of Redis and the worker differ by more than five seconds, the log says so."""
    server: Any = Server(retry, redis_version="7.2.4")
    server.ahead = ahead
    with capture_logs() as lines, starting(server):
        pass
    told = [line["reason"] for line in lines if line["event"] == "wrong clock"]
    assert len(told) == (abs(ahead) > 5)
    assert all(f"this machine's by {sign}" in reason for reason in told)


def test_a_server_that_does_not_tell_its_time_can_be_used(retry: RedisRetry) -> None:
    """The command TIME may not be allowed."""
    server: Any = Server(retry, redis_version="7.2.4")
    server.time = Mock(side_effect=NoPermissionError("no permissions to run the 'time' command"))
    with capture_logs() as lines, starting(server):
        pass
    assert lines == []


def test_what_redis_refuses_is_told_without_its_words() -> None:
    """The message of Redis is left out, because it may quote the command's arguments."""
    with pytest.raises(RedisUnusable) as refused, translating_errors():
        raise ResponseError("wrong: hush")
    assert "hush" not in str(refused.value)


def test_notices_begin_anew_when_it_is_over(clock: Clock) -> None:
    """After a failure is over its duration is known, and the next failure is reported at once."""
    notices = Notices(clock)
    assert notices.over() is None
    assert notices.is_due("one")
    clock.now += 5
    assert not notices.is_due("one")
    assert notices.over() == 5
    assert notices.is_due("one")


def test_a_redis_that_restarts_while_a_worker_starts_ends_no_worker(retry: RedisRetry) -> None:
    """After a restart Redis no longer knows a script by its hash, so the check sends the whole script."""
    server: Any = Server(retry, redis_version="7.2.4")
    server.evalsha = Mock(side_effect=NoScriptError("No matching script."))
    server.register_script = lambda text: redis.commands.core.Script(server, text)
    with starting(server):
        pass
    assert not server.evalsha.called
