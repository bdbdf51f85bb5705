"""Redis keys that have the wrong type: they are named with a cure, and end no worker."""

from unittest.mock import Mock

import fakeredis
import pytest
import redis
from structlog.testing import capture_logs

from gateway.errors import RedisUnusable
from worker.control import Control, none_if_wrong_type, reporting_wrong_keys

KEY = "rq:wip:botlive"
REASON = (
    f"the Redis key {KEY} is a string and must be a zset: another program has written it; move or delete it "
    f"with redis-cli: RENAME {KEY} {KEY}.found, or DEL {KEY}"
)


@pytest.fixture
def connection() -> fakeredis.FakeStrictRedis:
    """A Redis in which another program has written one of the keys."""
    made = fakeredis.FakeStrictRedis()
    made.set(KEY, "x")
    return made


def test_a_wrong_key_is_logged_once_and_that_it_is_mended(connection: fakeredis.FakeStrictRedis) -> None:
    """Not at each look: the line stands for a minute."""
    control = Control(connection, "botlive")
    with capture_logs() as lines:
        control.report()
        control.report()
        connection.delete(KEY)
        control.report()
        control.report()
    assert [(line["event"], line.get("reason")) for line in lines] == [
        ("wrong key", REASON),
        ("keys are correct again", None),
    ]


def test_a_script_that_meets_a_wrong_key_is_tried_again(connection: fakeredis.FakeStrictRedis) -> None:
    """The key is named, also one that is not among those of the queue, and then the worker pauses."""
    pauses: list[str] = []
    with (
        capture_logs() as lines,
        Control(connection, "botlive").tolerating(lambda: pauses.append("pause")),
    ):
        raise redis.ResponseError("WRONGTYPE list hash rq:queue:botlive:shop:one")
    assert len(lines) == 2
    assert "rq:queue:botlive:shop:one is a hash and must be a list" in lines[0]["reason"]
    assert lines[1]["reason"] == REASON
    assert pauses == ["pause"]


def test_a_full_redis_is_logged_once_a_minute(connection: fakeredis.FakeStrictRedis) -> None:
    """The worker pauses and tries again: it may make room itself."""
    control, pauses = Control(connection, "botlive"), Mock()
    with capture_logs() as lines:
        for _ in range(2):
            with control.tolerating(pauses):
                raise redis.OutOfMemoryError("command not allowed when used memory > 'maxmemory'.")
    assert [line["event"] for line in lines] == ["Redis is full"]
    assert "raise its maxmemory" in lines[0]["reason"]
    assert pauses.call_count == 2


def test_another_error_of_redis_is_raised(connection: fakeredis.FakeStrictRedis) -> None:
    """Only a wrong type is tolerated."""
    error = redis.ResponseError("NOPERM")
    with (
        pytest.raises(redis.ResponseError, match="NOPERM"),
        Control(connection, "q").tolerating(lambda: None),
    ):
        raise error
    with pytest.raises(redis.ResponseError, match="NOPERM"):
        none_if_wrong_type(Mock(side_effect=error))
    with pytest.raises(redis.ResponseError, match="NOPERM"), reporting_wrong_keys(connection, "botlive"):
        raise error


def test_a_command_that_meets_a_wrong_key_names_it(connection: fakeredis.FakeStrictRedis) -> None:
    """One line with the cure, not Redis's own words."""
    with pytest.raises(RedisUnusable) as found, reporting_wrong_keys(connection, "botlive"):
        connection.zrange(KEY, 0, -1)
    assert str(found.value) == REASON
