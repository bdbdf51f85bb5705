"""`botlive status --watch`: what it shows of each look, also while Redis is away."""

import json
import time
from datetime import UTC, datetime
from typing import Any
from unittest.mock import Mock

import fakeredis
import pytest

from gateway.errors import TransientFault
from operations import watch
from operations.commands import status as command
from operations.watch import looks


@pytest.fixture
def server() -> fakeredis.FakeServer:
    """A Redis that can be disconnected."""
    return fakeredis.FakeServer()


@pytest.fixture
def redis(server: fakeredis.FakeServer, monkeypatch: pytest.MonkeyPatch) -> fakeredis.FakeStrictRedis:
    """A connection to it, with a worker that has finished four events. The pauses take no time."""
    made = fakeredis.FakeStrictRedis(server=server)
    made.sadd("rq:workers:botlive", "rq:worker:botlive-one")
    made.hset("rq:worker:botlive-one", mapping={"state": "busy", "successful_job_count": 4})
    monkeypatch.setattr(watch, "time", Mock(monotonic=time.monotonic))
    return made


def test_the_rate_follows_from_two_looks(
    redis: fakeredis.FakeStrictRedis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first look knows none. A worker that ended in between is not counted."""
    times = iter([10.0, 12.0, 14.0])
    monkeypatch.setattr(watch, "time", Mock(monotonic=lambda: next(times)))
    seen = looks(redis, "botlive", 2)
    assert next(seen).rate is None
    redis.hset("rq:worker:botlive-one", "successful_job_count", 11)
    assert next(seen).rate == 3.5
    redis.srem("rq:workers:botlive", "rq:worker:botlive-one")
    assert next(seen).rate == 0


def test_an_outage_during_the_watch_is_shown_and_the_watch_goes_on(
    redis: fakeredis.FakeStrictRedis, server: fakeredis.FakeServer
) -> None:
    """Each form says why there are no figures."""
    seen = looks(redis, "botlive", 2)
    assert next(seen).error is None
    server.connected = False
    away = next(seen)
    assert away.status is None
    assert away.held == 0
    assert str(away.error).endswith("; trying again")
    assert [*command._view(away)][1:] == [away.error]
    assert command._line(away).endswith(f" UTC {away.error}") or command._line(away).endswith(
        f" {away.error}"
    )
    assert away.to_dict().keys() == {"at", "error"}
    server.connected = True
    assert next(seen).error is None


def test_a_redis_that_is_away_at_the_first_look_ends_the_watch(
    redis: fakeredis.FakeStrictRedis, server: fakeredis.FakeServer
) -> None:
    """The caller sees at once that the address is wrong, or that Redis does not run."""
    server.connected = False
    with pytest.raises(TransientFault):
        next(looks(redis, "botlive", 2))


def test_a_look_is_shown_as_lines_as_one_line_and_as_json(redis: fakeredis.FakeStrictRedis) -> None:
    """A worker that holds all events is counted in each."""
    beat = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    held: dict[Any, Any] = {"state": "suspended", "held": "Supabase is away", "last_heartbeat": beat}
    redis.hset("rq:worker:botlive-one", mapping=held)
    look = next(looks(redis, "botlive", 2))
    view = [*command._view(look)]
    assert "breaker       open in 1 workers" in view
    assert "rate          -" in view
    assert "breaker open in 1 workers; workers 1 held" in command._line(look)
    assert json.loads(json.dumps(look.to_dict()))["breaker"] == "open"
