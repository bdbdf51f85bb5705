"""``botlive status``: the waiting events, since when they wait, and the state of each worker."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from gateway.errors import WaitsApart
from operations.status import read
from tests.integration.line import BIN, Line, until
from tests.make import order
from worker.apart import Group, Kind, Store
from worker.claims import PREFIX, Claims


def status(line: Line) -> dict[str, Any]:
    """Return the status as JSON."""
    done = line.run(str(BIN / "botlive"), "status", "--json")
    assert (done.returncode, done.stderr) == (0, "")
    found: dict[str, Any] = json.loads(done.stdout)
    return found


ALIVE = -600.0
"""A heartbeat in the future: the worker counts as alive, however slowly a command starts."""


def stand_in(line: Line, name: str, seconds: float, **fields: str) -> None:
    """Register a worker whose last heartbeat was so long ago."""
    beat = (datetime.now(UTC) - timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    line.redis.delete(f"rq:worker:{name}")
    kept = {"last_heartbeat": beat, **fields}
    line.redis.hset(f"rq:worker:{name}", mapping=dict(kept.items()))
    line.redis.sadd(f"rq:workers:{line.name}", f"rq:worker:{name}")


@pytest.mark.slow
def test_it_says_what_waits_and_where(line: Line) -> None:
    """It shows waiting, put off, claimed, apart and failed events by reason, and the age of the oldest."""
    line.publisher.publish_many([order("nobody-knows-it") for _ in range(3)])
    line.work()
    line.publisher.publish_many([order("flood") for _ in range(30)])
    claims = Claims(line.redis, line.name, f"{PREFIX}one")
    first, *_ = claims.claim(10).claims
    kind = Kind("flood", "order_completed")
    Store(line.redis, line.name).put(f"{PREFIX}one", kind, Group.of(WaitsApart("no")), [first.job_id])
    long_ago = "2026-11-20T10:00:00.000000Z"
    line.redis.hset(f"rq:job:{first.job_id}", "created_at", long_ago)
    found = status(line)
    waiting = 30 - found["started"] - 1
    assert found["failed"] == {"UnknownCompany": 3}
    assert found["apart"] == 1
    assert found["waiting"] == waiting
    assert 0 < found["put_off"] <= waiting
    assert found["oldest"] < 600
    assert found["started"] > 0
    head: Any = line.redis.lindex(f"rq:queue:{line.name}:shop:flood", 0)
    line.redis.hset(f"rq:job:{head.decode()}", "created_at", long_ago)
    assert status(line)["oldest"] > 3_600


@pytest.mark.parametrize(
    ("name", "seconds", "fields", "state"),
    [
        ("botlive-a", 5, {"state": "busy"}, "working"),
        ("botlive-a", 5, {"state": "suspended", "held": "Supabase\x1b[2J is away"}, "held"),
        ("botlive-a", 5, {"state": "suspended"}, "suspended"),
        ("botlive-a", 60, {"state": "busy"}, "dead"),
        ("stock", 60, {"state": "busy"}, "working"),
        ("stock", 120, {"state": "busy"}, "dead"),
        ("stock", 1, {"state": "busy", "death": "2026-11-20T10:00:00.000000Z"}, "dead"),
        ("stock", 1, {"state": "\x1b", "failed_job_count": "9" * 5_000}, "working"),
    ],
)
def test_it_says_what_a_worker_does(
    line: Line, name: str, seconds: float, fields: dict[str, str], state: str
) -> None:
    """A worker's state follows from its heartbeat, its state and its reason to hold."""
    stand_in(line, name, seconds, **fields)
    (worker,) = read(line.redis, line.name).workers
    assert (worker.name, worker.state, worker.finished, worker.failed) == (name, state, 0, 0)
    if state == "held":
        stand_in(line, name, ALIVE, **fields)
        done = line.run(str(BIN / "botlive"), "status")
        assert f"  {name} held, 0 finished, 0 failed, last heartbeat " in done.stdout
        assert done.stdout.endswith(" ago: Supabase?[2J is away\n")


def test_it_cleans_nothing_up(line: Line) -> None:
    """A claim that RQ considers abandoned is not changed, and a wrong key is reported."""
    event = order(line.shop()[0])
    line.publisher.publish(event)
    line.redis.hset(f"rq:job:{event.event_id}", "status", "started")
    line.redis.zadd(f"rq:wip:{line.name}", {f"{event.event_id}:w": 1})
    line.redis.set(f"botlive:edited:{line.name}", "")
    done = line.run(str(BIN / "botlive"), "status")
    assert "claimed       1" in done.stdout
    assert "failed        0" in done.stdout
    assert f"the Redis key botlive:edited:{line.name} is a string and must be a stream" in done.stderr
    assert line.held() == 1


@pytest.mark.slow
def test_a_worker_of_ours_is_working_until_it_ends(line: Line) -> None:
    """Our worker is shown as working until it ends."""
    with line.worker() as process:
        until(lambda: [worker["state"] for worker in status(line)["workers"]] == ["working"], 30)
        process.terminate()
        process.wait(timeout=30)
    assert status(line)["workers"] == []
