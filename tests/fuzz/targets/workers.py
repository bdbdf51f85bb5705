"""Jobs of other programs among events in a real Valkey, and a real worker that processes them."""

from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack
from typing import Any, NamedTuple
from unittest.mock import patch

from events import parse_event
from operations.failed import table as listing
from operations.failed.registry import FailedRegistry
from tests.fuzz import documents, samples
from tests.fuzz.bench import Bench
from tests.fuzz.canaries import PHONE, VALUE
from tests.fuzz.capture import capture
from tests.fuzz.dice import Dice
from tests.fuzz.target import Target, no_canary, one_line
from tests.fuzz.targets.decode import call
from worker.persister import Persister

_NEVER = b"tests.fuzz.targets.workers.never"
_TIMES = (b"2026-11-20T08:00:00.000000Z", b"yesterday", b"", b"9999-99-99T00:00:00Z", b"0")
_COUNTS = (b"0", b"1", b"3", b"-1", b"many", b"nan", b"inf", b"1e400", b"9" * 400, b"")
_PLAIN: Mapping[str, Sequence[bytes]] = {
    "created_at": _TIMES,
    "enqueued_at": _TIMES,
    "started_at": _TIMES,
    "ended_at": _TIMES,
    "last_heartbeat": _TIMES,
    "status": (b"queued", b"started", b"failed", b"finished", b"canceled", b"nonsense", b"\xff"),
    "origin": (b"fuzz", b"other", b"\xff", PHONE.encode()),
    "description": (PHONE.encode(), VALUE.encode(), b"\xff"),
    "timeout": _COUNTS,
    "result_ttl": _COUNTS,
    "failure_ttl": _COUNTS,
    "ttl": _COUNTS,
    "suspect": _COUNTS,
    "deaths": _COUNTS,
    "died": _COUNTS,
    "retries_left": _COUNTS,
    "failures": _COUNTS,
    "worker_name": (b"botlive-x", b"\xff"),
    "digest": (b"\xff", b"x"),
    "meta": (b"{}", b"[", b"\xff", b"x\x9c", b"null"),
    "exc_info": (b"x", b"\xff"),
    "retry_intervals": (b"[1]", b"x", b"[-1]"),
    "dependency_ids": (b"[]", b"x", b'["one"]'),
    "dependency_id": (b"one",),
    "enqueue_at_front": _COUNTS,
    "allow_dependency_failures": _COUNTS,
}
_STOCK: Mapping[str, Sequence[bytes]] = {
    "success_callback_name": (_NEVER, b"\xff"),
    "failure_callback_name": (_NEVER, b"os.system"),
    "stopped_callback_name": (_NEVER,),
    "webhooks": (b'[{"url": "http://127.0.0.1:1", "events": ["failed"]}]', b"x"),
    "group_id": (b"one",),
    "success_callback_timeout": _COUNTS,
}
_IDS = (
    b"plain-%d",
    b"with:colon:%d",
    b"with space %d",
    b"\xff\xfe%d",
    b"<%%= script %%>%d",
    b"%d",
    b"[red]%d[/red]",
    b"a\nb%d",
    b"%d" + b"x" * 600,
)
called: list[object] = []


def never(*arguments: object, **_: object) -> None:
    """Record a call, which no job may make."""
    called.append(arguments)


class Job(NamedTuple):
    """A job id on the queue, and the hash of the job."""

    job_id: bytes
    fields: Mapping[str, bytes] | None
    """The fields of the hash. None if the key is not a hash."""


class Workers(Target):
    """No job stops the worker or the queue. Each is persisted, or fails and can be listed."""

    name, share, group = "workers", 20, 100
    outcomes = frozenset({"persisted", "set aside", "gone"})

    def open(self, stack: ExitStack) -> None:
        """Start a Valkey."""
        self._bench = Bench(stack)
        self._failures = FailedRegistry(self._bench.redis, self._bench.queue)

    def enter(self, stack: ExitStack) -> None:
        """Use the fake gateway for jobs that RQ itself runs too."""
        stack.enter_context(patch("worker.job.persister", lambda: Persister(self._bench.tables)))

    def make(self, dice: Dice) -> Job:
        """Create a job."""
        job_id = dice.choice(_IDS) % dice.getrandbits(60)
        if dice.chance(0.02):
            return Job(job_id, None)
        data, _ = call(dice, "shop")
        if dice.chance(0.1):
            data = documents.written(dice, [_NEVER.decode(), None, [VALUE], {}])
        fields = {"data": data} if dice.chance(0.95) else {}
        for name, values in {**_PLAIN, **(_STOCK if dice.chance(0.1) else {})}.items():
            if dice.chance(0.2):
                fields[name] = dice.choice(values)
        return Job(job_id, fields)

    def check_all(self, cases: Sequence[Job]) -> Iterable[str]:
        """Let a worker process the jobs, with events before, between and after them."""
        bench, steady = self._bench, documents.Steady(len(cases))
        bench.empty()
        called.clear()
        good = [parse_event(documents.written(steady, samples.event(steady, "shop"))) for _ in range(4)]
        jobs = {case.job_id: case for case in cases}
        for number, case in enumerate(jobs.values()):
            if number % 34 == 0:
                bench.publish(good[number // 34])
            self._plant(case)
        bench.publish(good[3])
        with capture() as captured:
            bench.work()
        no_canary(captured.all, "the log")
        assert "own fault" not in captured.all, "a bug of the worker"
        assert not called, "a function that a job names was called"
        assert bench.waiting() == 0, "jobs are left on the queue"
        published = {str(event.event_id) for event in good[: 1 + (len(jobs) - 1) // 34]} | {
            str(good[3].event_id)
        }
        assert published <= bench.tables.events, "an event is not persisted"
        return self._judged(jobs)

    def _plant(self, job: Job) -> None:
        key = b"rq:job:" + job.job_id
        if job.fields is None:
            self._bench.redis.set(key, "x")
        elif job.fields:
            fields: dict[Any, Any] = {**job.fields}
            self._bench.redis.hset(key, mapping=fields)
        self._bench.redis.rpush(f"rq:queue:{self._bench.queue}", job.job_id)

    def _judged(self, jobs: Mapping[bytes, Job]) -> Iterable[str]:
        listed = {
            failure.job_id.encode(errors="surrogateescape"): failure for failure in self._failures.all()
        }
        for failure in listed.values():
            for said in listing.row(failure):
                one_line(said, "a list", values=False)
        for job_id in listed:
            assert int(self._bench.redis.ttl(b"rq:job:" + job_id)) == -1, "a failed job has a time to live"
        outcomes = ["set aside" if job_id in listed else self._other(job) for job_id, job in jobs.items()]
        self._failures.replay(self._failures.ids())
        self._failures.discard(list(self._failures.all()), "fuzz")
        return outcomes

    def _other(self, job: Job) -> str:
        if not self._bench.redis.exists(b"rq:job:" + job.job_id):
            return "persisted" if job.fields else "gone"
        status = self._bench.redis.hget(b"rq:job:" + job.job_id, "status")
        assert {*(job.fields or ())} & {*_STOCK}, f"a job is in no list; its status is {status!r}"
        return "persisted"
