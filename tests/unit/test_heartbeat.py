"""The health check of a worker's container."""

import socket
from datetime import UTC, datetime, timedelta
from typing import Any

import fakeredis
import pytest

from operations import heartbeat

_HOST = "container-1"


def _redis(*, host: str = _HOST, age: float = 1, **more: str) -> fakeredis.FakeRedis:
    connection = fakeredis.FakeRedis()
    beat = (datetime.now(UTC) - timedelta(seconds=age)).isoformat()
    fields: dict[Any, Any] = {"hostname": host, "last_heartbeat": beat, **more}
    connection.hset("rq:worker:botlive-1", mapping=fields)
    connection.sadd("rq:workers:botlive", "rq:worker:botlive-1")
    return connection


def test_a_worker_of_this_host_that_gives_heartbeats_is_healthy() -> None:
    """The heartbeat of the worker in this container counts."""
    assert heartbeat.is_healthy(_redis(), "botlive", _HOST)


@pytest.mark.parametrize(
    "connection",
    [
        fakeredis.FakeRedis(),
        _redis(host="container-2"),
        _redis(age=60),
        _redis(death="2026-11-26T00:00:00Z"),
        _redis(last_heartbeat="nonsense"),
    ],
    ids=["none", "another host's", "silent", "dead", "damaged"],
)
def test_without_such_a_worker_it_is_not_healthy(connection: fakeredis.FakeRedis) -> None:
    """No worker, one of another host, one without heartbeats, one that ended, one that cannot be read."""
    assert not heartbeat.is_healthy(connection, "botlive", _HOST)


def test_without_redis_it_is_healthy(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Another container would not bring Redis back: the worker waits for it."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound, not listening: it refuses
        monkeypatch.setenv("REDIS_URL", f"redis://127.0.0.1:{taken.getsockname()[1]}/0")
        assert heartbeat.main() == 0
    assert capsys.readouterr().out.startswith("not checked: Redis refuses the connection")


def test_a_setting_that_cannot_be_used_is_not_healthy(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The message names the setting."""
    monkeypatch.setenv("REDIS_URL", "nonsense")
    assert heartbeat.main() == 1
    assert capsys.readouterr().out.startswith("REDIS_URL: ")


@pytest.mark.parametrize(("host", "code"), [(socket.gethostname(), 0), ("container-2", 1)])
def test_the_exit_code_is_that_of_the_check(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], host: str, code: int
) -> None:
    """Only a failed check prints a line, which says what is missing."""
    monkeypatch.delenv("BOTLIVE_QUEUE", raising=False)
    monkeypatch.setattr(heartbeat, "redis_at", lambda _: _redis(host=host))
    assert heartbeat.main() == code
    said = "no worker of this host gave a heartbeat in the last 30 s\n" if code else ""
    assert capsys.readouterr().out == said
