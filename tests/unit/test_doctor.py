"""What the doctor says of faults that a test cannot cause on a real server."""

import time
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest
from redis import ReadOnlyError, ResponseError

from events.publishing.outbox import Outbox
from operations.commands import doctor as command
from operations.doctor import outbox, queue, server
from operations.doctor.result import Fix, Level, Result
from operations.status import Status

_GOOD = {
    "redis_version": "7.2.4",
    "aof_enabled": 1,
    "aof_last_write_status": "ok",
    "maxmemory_policy": "noeviction",
    "role": "master",
}
_IDLE = Status("botlive", 0, 0, 0, 0, {}, None, [], is_suspended=False, wrong_keys=[])


def redis(**changes: Any) -> Mock:
    """A server whose clock is right, with other commands, and with other fields in its answer to INFO."""
    commands = {name: changes.pop(name) for name, change in [*changes.items()] if isinstance(change, Mock)}
    clock = Mock(side_effect=lambda: (int(time.time()), 0))
    return Mock(**{"info.return_value": {**_GOOD, **changes}, "time": clock, **commands})


def worst(results: list[Result]) -> list[tuple[Level, str, str]]:
    """The results that are not good."""
    return [(each.level, each.what, each.cure) for each in results if each.level is not Level.OK]


def test_a_good_server_has_no_fault() -> None:
    """The other tests change one thing of it."""
    assert worst([*server.check(redis())]) == []


def test_a_server_that_a_worker_cannot_use_is_a_failure() -> None:
    """An old Redis, and one in Cluster mode."""
    assert (Level.FAILURE, "Redis is older than 7 (it is 6.2.0)", "use Redis 7 or newer, or Valkey") in worst(
        [*server.check(redis(redis_version="6.2.0"))]
    )
    assert "Cluster" in str(worst([*server.check(redis(cluster_enabled=1))]))


@pytest.mark.parametrize("command", ["blmove", "eval"])
def test_a_command_that_workers_need_and_the_server_refuses_is_a_failure(command: str) -> None:
    """A worker would say it at its start, or stand still later; the doctor says it before."""
    refused = Mock(side_effect=ResponseError("unknown command 'BLMOVE', with args beginning with: "))
    assert [what for _, what, _ in worst([*server.check(redis(**{command: refused}))])] == [
        "Redis does not know the command BLMOVE"
    ]


def test_a_replica_is_named_once() -> None:
    """It refuses the commands that workers need too: that is no other fault."""
    refused = Mock(side_effect=ReadOnlyError("You can't write against a read only replica."))
    assert [what for _, what, _ in worst([*server.check(redis(role="slave", blmove=refused))])] == [
        "the server is a replica, which takes no writes"
    ]


def test_a_server_that_deletes_only_what_expires_is_a_warning() -> None:
    """The default of several hosted services: no event expires, but the leases of workers do."""
    [(level, what, cure)] = worst([*server.check(redis(maxmemory_policy="volatile-lru"))])
    assert level is Level.WARNING
    assert "volatile-lru" in what
    assert "noeviction" in cure


def test_a_server_that_is_far_away_is_a_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each event would wait too long for it; the line says what to change."""
    monkeypatch.setattr(server, "_FAR", -1.0)
    [(level, what, cure)] = worst([*server.check(redis())])
    assert (level, what) == (Level.WARNING, "it answers in 0 ms")
    assert "within=1.0" in cure


def test_a_clock_that_cannot_be_read_hides_nothing() -> None:
    """A server may not allow TIME: the other checks are made."""
    refused = Mock(side_effect=ResponseError("unknown command 'TIME', with args beginning with: "))
    found = worst([*server.check(redis(time=refused, aof_enabled=0))])
    assert [(level, what) for level, what, _ in found] == [
        (Level.NOT_CHECKED, "the clock: Redis does not know the command TIME"),
        (Level.FAILURE, "it has no append-only file, so a restart loses waiting events"),
    ]


def test_an_append_only_file_that_cannot_be_written_is_a_failure() -> None:
    """Redis still answers, but a restart would lose what it took since then."""
    assert worst([*server.check(redis(aof_last_write_status="err"))]) == [
        (Level.FAILURE, "the append-only file cannot be written", "make room on the server's disk")
    ]


def test_events_that_wait_apart_are_a_warning() -> None:
    """The line says how many, and which command names the shops."""
    ((level, what, cure),) = [
        each for each in worst([*queue.check(_IDLE._replace(apart=3))]) if "apart" in each[1]
    ]
    assert (level, what.partition(":")[0]) == (Level.WARNING, "3 events wait apart")
    assert "botlive failures" in cure


def test_an_outbox_that_is_almost_full_is_a_failure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A full one takes no event; a file that others can read is a warning beside it."""
    file = tmp_path / "outbox"
    file.touch(mode=0o644)
    file.chmod(0o644)
    monkeypatch.setattr(Outbox, "__len__", lambda _: 60_000)
    found = worst([*outbox.check(str(file))])
    assert [(level, what) for level, what, _ in found] == [
        (Level.FAILURE, "60000 of at most 100000 events wait"),
        (Level.WARNING, "other users may read the file, which holds customers' data"),
    ]


@pytest.mark.parametrize(
    ("fix", "name", "value"), [(Fix.MIGRATE, "DATABASE_URL", ""), (Fix.DRAIN, "REDIS_URL", "nonsense")]
)
def test_a_fix_that_fails_is_reported(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], fix: Fix, name: str, value: str
) -> None:
    """The examination goes on after it, so that its result is shown."""
    monkeypatch.setenv(name, value)
    command._run(fix)
    assert capsys.readouterr().err.startswith(f"`{fix}` failed: ")
