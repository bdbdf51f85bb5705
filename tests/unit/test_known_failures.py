"""A second look at the failed registry reads only what changed, and sees every change."""

import zlib
from base64 import b64encode
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import fakeredis
import pytest

from events.publishing.call import Call
from operations.failed.job import FailedJob
from operations.failed.known import KnownFailures
from operations.failed.registry import FailedRegistry
from tests.make import payment

_QUEUE = "botlive"


@pytest.fixture
def redis() -> Iterator[fakeredis.FakeStrictRedis]:
    """A Redis with three failed jobs: a, b and c."""
    made = fakeredis.FakeStrictRedis(server=fakeredis.FakeServer())
    for job_id in "abc":
        fail(made, job_id, "UnknownCompany: no mapping")
    yield made
    made.close()


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The ids of the jobs that are read."""
    found: list[str] = []
    find = FailedRegistry.find

    def noted(self: FailedRegistry, ids: Sequence[str]) -> Any:
        found.extend(ids)
        return find(self, ids)

    monkeypatch.setattr(FailedRegistry, "find", noted)
    return found


def fail(redis: fakeredis.FakeStrictRedis, job_id: str, reason: str, *, at: str = "*") -> None:
    """Put a job into the failed registry, as a worker does."""
    data = zlib.compress(Call.of(payment(f"shop-{job_id}")).data.encode())
    redis.hset(f"rq:job:{job_id}", mapping={"data": data, "status": "failed"})
    text = b64encode(zlib.compress(f"{reason}\ncause: none".encode()))
    redis.xadd(f"rq:results:{job_id}", {"type": 2, "exc_string": text}, id=at)
    redis.zadd(f"rq:failed:{_QUEUE}", {job_id: -1})


def fail_again(redis: fakeredis.FakeStrictRedis) -> None:
    """Replay a job, which fails for another reason before anybody looks."""
    FailedRegistry(redis, _QUEUE).replay(["b"])
    fail(redis, "b", "InvalidEvent: amount: must not be negative")


def erase(redis: fakeredis.FakeStrictRedis) -> None:
    """Replace the text of a failure under the id that it has, as `botlive erase` does."""
    entries: Any = redis.xrange("rq:results:b")
    redis.delete("rq:results:b")
    fail(redis, "b", "UnknownCompany: ***", at=entries[0][0].decode())
    redis.hincrby("rq:job:b", "erased", 1)


_CHANGES: dict[str, Callable[[fakeredis.FakeStrictRedis], object]] = {
    "failed again": fail_again,
    "failed once more": lambda redis: fail(redis, "b", "UnknownCompany: no mapping"),
    "erased": erase,
    "lost its job": lambda redis: redis.delete("rq:job:b"),
    "lost its reason": lambda redis: redis.delete("rq:results:b"),
    "of a wrong type": lambda redis: (redis.delete("rq:job:b"), redis.set("rq:job:b", "x")),
    "replayed": lambda redis: FailedRegistry(redis, _QUEUE).replay(["b"]),
    "new": lambda redis: fail(redis, "d", "UnknownCompany: no mapping"),
}


def _all(failures: Any) -> list[FailedJob]:
    return sorted(failures.all())


def test_what_has_not_changed_is_not_read_again(redis: fakeredis.FakeStrictRedis, reads: list[str]) -> None:
    """The first look reads every job, the second none."""
    memory = KnownFailures(redis, _QUEUE)
    first = _all(memory)
    assert sorted(reads) == ["a", "b", "c"]
    reads.clear()
    assert _all(memory) == first
    assert reads == []


@pytest.mark.parametrize("change", _CHANGES)
def test_every_change_is_seen(redis: fakeredis.FakeStrictRedis, reads: list[str], change: str) -> None:
    """After any change a look returns what a reader without a memory finds, and reads at most one job."""
    memory = KnownFailures(redis, _QUEUE)
    before = _all(memory)
    reads.clear()
    _CHANGES[change](redis)
    now = _all(memory)
    assert len(reads) <= 1
    assert now == _all(FailedRegistry(redis, _QUEUE))
    assert now != before


def test_what_changes_during_a_look_is_read_at_the_next(
    redis: fakeredis.FakeStrictRedis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A job that fails again right after it was read is not remembered in its old state."""
    memory = KnownFailures(redis, _QUEUE)
    find = FailedRegistry.find

    def changed(self: FailedRegistry, ids: Sequence[str]) -> Any:
        found = [*find(self, ids)]
        fail_again(redis)
        return found

    monkeypatch.setattr(FailedRegistry, "find", changed)
    memory.all()
    monkeypatch.undo()
    assert _all(memory) == _all(FailedRegistry(redis, _QUEUE))


def test_more_jobs_than_one_script_takes_are_all_seen(redis: fakeredis.FakeStrictRedis) -> None:
    """The versions of many jobs are read in several steps."""
    with redis.pipeline() as pipeline:
        for number in range(600):
            pipeline.zadd(f"rq:failed:{_QUEUE}", {f"job-{number}": -1})
        pipeline.execute()
    assert len(KnownFailures(redis, _QUEUE).all()) == 603
