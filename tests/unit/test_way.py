"""The worker's way to Redis: what it says, how often, how long it tries, and what it tries again."""

import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import redis
import structlog
from redis.exceptions import ConnectionError as Lost
from redis.exceptions import NoPermissionError, OutOfMemoryError, ReadOnlyError, ResponseError
from structlog.testing import capture_logs

from events.publishing.notices import EVERY, Notices
from gateway.errors import RedisUnusable
from worker.way import AT_FIRST, Way, entering, told, way_of


class Clock:
    """Goes on when it is told to."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        """The instant."""
        return self.now


@pytest.fixture
def clock() -> Clock:
    """One that stands."""
    return Clock()


@pytest.fixture
def way(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> Way:
    """One that does not sleep."""
    monkeypatch.setattr("redis.retry.sleep", lambda _: None)
    return Way(clock)


@pytest.fixture(autouse=True)
def logs() -> Iterator[list[Any]]:
    """What is said."""
    structlog.reset_defaults()
    with capture_logs() as captured:
        yield captured


def call(clock: Clock, *errors: Exception, step: float = 1.0) -> Callable[[], str]:
    """Fails with each of these, a second apart, then goes well."""
    left = list(errors)

    def do() -> str:
        clock.now += step
        if left:
            raise left.pop(0)
        return "done"

    return do


def nothing(*_: object) -> None:
    """What redis-py does at a failure."""


def test_a_failure_is_said_once_and_that_it_is_over(way: Way, clock: Clock, logs: list[Any]) -> None:
    """However many tries it takes."""
    assert way.call_with_retry(call(clock, *[Lost("x")] * 20), nothing) == "done"
    assert [entry["event"] for entry in logs] == ["Redis away", "Redis back"]
    assert "the connection to Redis failed" in logs[0]["reason"]


def test_it_is_said_again_every_minute(way: Way, clock: Clock, logs: list[Any]) -> None:
    """For as long as it lasts."""
    way.call_with_retry(call(clock, *[Lost("x")] * 11, step=EVERY / 2 + 0.01), nothing)
    assert [entry["event"] for entry in logs].count("Redis away") == 6


def test_another_kind_of_trouble_is_said_at_once(way: Way, clock: Clock, logs: list[Any]) -> None:
    """And each of them no more often than every minute, in whatever turn they come."""
    turn = [Lost("Connection closed by server."), redis.BusyLoadingError("x")] * 5
    way.call_with_retry(call(clock, *turn), nothing)
    assert [entry["event"] for entry in logs] == ["Redis away", "Redis away", "Redis back"]


@pytest.mark.parametrize("error", [redis.AuthenticationError("invalid password"), Lost("name resolution")])
def test_at_the_start_what_lasts_is_given_up(way: Way, clock: Clock, error: Exception) -> None:
    """After a bounded time, with the kind of cause."""
    began = clock.now
    with pytest.raises(RedisUnusable):
        way.call_with_retry(call(clock, *[error] * 100), nothing)
    assert AT_FIRST < clock.now - began < AT_FIRST + 3


def test_at_the_start_what_passes_is_waited_for(way: Way, clock: Clock) -> None:
    """Redis may come up later."""
    assert way.call_with_retry(call(clock, *[Lost("Connection closed by server.")] * 100), nothing) == "done"


def test_once_in_nothing_ends_it(way: Way, clock: Clock, logs: list[Any]) -> None:
    """A password that changed, a right that was taken away: a person mends it, and the worker goes on."""
    way.entered()
    errors = [
        redis.AuthenticationError("x"),
        NoPermissionError("x"),
        ResponseError("DB index is out of range"),
    ]
    assert way.call_with_retry(call(clock, *errors * 20), nothing) == "done"
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
    way: Way, clock: Clock, error: Exception
) -> None:
    """Redis-py hears of a lost connection: it drops this one, and looks the name up anew."""
    heard: list[Exception] = []
    assert way.call_with_retry(call(clock, error), heard.append) == "done"
    assert [type(one) for one in heard] == [Lost]
    assert heard[0].__cause__ is error


@pytest.mark.parametrize("error", [OutOfMemoryError("x"), ResponseError("WRONGTYPE x"), ValueError("x")])
def test_other_answers_are_the_callers(way: Way, clock: Clock, error: Exception, logs: list[Any]) -> None:
    """They come back at once, and nothing is said."""
    way.entered()
    with pytest.raises(type(error)):
        way.call_with_retry(call(clock, error), nothing)
    assert logs == []


def test_what_is_optional_may_be_refused(way: Way, clock: Clock) -> None:
    """RQ's maintenance does without a right that it lacks; afterwards a right is waited for again."""
    way.entered()
    with way.optional(), pytest.raises(NoPermissionError):
        way.call_with_retry(call(clock, NoPermissionError("x")), nothing)
    assert way.call_with_retry(call(clock, NoPermissionError("x")), nothing) == "done"


def test_another_thread_is_not_held_by_a_right_that_it_lacks(way: Way, clock: Clock) -> None:
    """RQ's thread for commands is one that a worker can do without."""
    way.entered()
    seen: list[Exception] = []

    def run() -> None:
        try:
            way.call_with_retry(call(clock, NoPermissionError("x")), nothing)
        except NoPermissionError as error:
            seen.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    assert len(seen) == 1


def test_it_is_over_when_nobody_is_in_trouble_any_more(way: Way, clock: Clock, logs: list[Any]) -> None:
    """Meanwhile a connection may be made or another command go well: Redis is not back yet."""
    inner = call(clock)

    def fail(_: Exception) -> None:
        way.call_with_retry(inner, nothing)  # as it connects anew

    way.call_with_retry(call(clock, *[ReadOnlyError("x")] * 3), fail)
    assert [entry["event"] for entry in logs] == ["Redis away", "Redis back"]


def test_all_connections_go_one_way() -> None:
    """Redis-py copies what it is given for each of them."""
    way = Way()
    pool = redis.Redis.from_url("redis://127.0.0.1:1", retry=way).connection_pool
    one, other = (pool.connection_class(**pool.connection_kwargs) for _ in range(2))
    assert one.retry is other.retry is way


class Server:
    """A connection that says of its server what it is told to."""

    def __init__(self, way: Way, **info: Any) -> None:
        self.connection_pool = self
        self.connection_kwargs = {"retry": way}
        self._info = {"aof_enabled": 1, "maxmemory_policy": "noeviction", **info}

    def info(self, _: str) -> dict[str, Any]:
        """All of it."""
        return self._info


def test_a_worker_is_in_after_its_first_steps(way: Way, clock: Clock) -> None:
    """From then on a right is waited for; before, its lack ends the start in one line."""
    server: Any = Server(way, redis_version="7.2.4")
    with pytest.raises(RedisUnusable, match="lacks permissions"), entering(server):
        raise NoPermissionError("x")
    with entering(server):
        pass
    assert way_of(server) is way
    assert way.call_with_retry(call(clock, NoPermissionError("x")), nothing) == "done"


def test_a_server_that_cannot_do_is_told_at_the_start(way: Way) -> None:
    """Before anything is done there."""
    server: Any = Server(way, redis_version="6.2.14")
    with pytest.raises(RedisUnusable, match="older than 7"), entering(server):
        pytest.fail("it went in")


def test_what_redis_refuses_is_told_without_its_words() -> None:
    """They may quote what was sent."""
    with pytest.raises(RedisUnusable) as refused, told():
        raise ResponseError("wrong: hush")
    assert "hush" not in str(refused.value)


def test_notices_begin_anew_when_it_is_over(clock: Clock) -> None:
    """The next failure is said at once, and how long it lasted is known."""
    notices = Notices(clock)
    assert notices.over() is None
    assert notices.is_due("one")
    clock.now += 5
    assert not notices.is_due("one")
    assert notices.over() == 5
    assert notices.is_due("one")
