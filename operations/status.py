"""Reads the status of the queue without RQ: no clean-up runs, and no function of a job is called.

Unreadable entries in Redis are left out.
"""

from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, NamedTuple, cast

import redis

from events.publishing.keys import WORKER, WORKERS, Keys, job_key, raw, text
from gateway.letters import printable
from operations.failed.known import KnownFailures
from operations.failed.registry import FailedRegistry
from worker.claims import LEASE_TTL
from worker.control import Control, none_if_wrong_type

_DEAD = 90.0  # seconds without a heartbeat of a stock worker, which sends one every 30 s
_MOST_WORKERS = 1_000
_WORKER_FIELDS = (
    *("state", "held", "last_heartbeat", "successful_job_count", "failed_job_count", "death"),
    *("botlive_version", "queues"),
)
_OURS = 10.0 + LEASE_TTL  # seconds without a heartbeat of our worker, which sends one every 10 s


class Worker(NamedTuple):
    """One worker, as recorded in its hash."""

    name: str
    state: str
    """working, held, suspended or dead."""
    reason: str | None
    """Why it is held."""
    heartbeat: float | None
    """Seconds since its last heartbeat."""
    finished: int
    failed: int
    release: str | None = None
    """Of Botlive Events; None for a stock worker."""
    queues: str | None = None
    """The names of its queues, separated by commas."""


class Status(NamedTuple):
    """The status of one queue."""

    queue: str
    waiting: int
    put_off: int
    """How many of the waiting events are in overflow queues."""
    apart: int
    started: int
    failed: dict[str, int]
    """The number of failed events by the name of their reason."""
    oldest: float | None
    """Seconds since the oldest waiting event was published.

    Events that wait apart do not count: they would hide that other shops' events wait too long.
    """
    workers: list[Worker]
    is_suspended: bool
    wrong_keys: list[str]
    """A line for each key of the wrong type, with what to do."""

    def to_dict(self) -> dict[str, Any]:
        """Return the status as a dict for JSON."""
        return {**self._asdict(), "workers": [worker._asdict() for worker in self.workers]}


def read(
    connection: redis.Redis, queue: str, *, with_reasons: bool = True, memory: KnownFailures | None = None
) -> Status:
    """Read the status of the queue.

    ``with_reasons`` reads every failed job for its reason; else they are counted under ``failed``. With a
    ``memory``, which the caller keeps between two looks, only those that changed are read.
    """
    return _Reader(connection, queue, with_reasons=with_reasons, memory=memory).read()


def all_workers(connection: redis.Redis) -> list[Worker]:
    """Read the workers of all queues."""
    return list(_Reader(connection, "", with_reasons=False).workers(WORKERS))


class _Reader:
    def __init__(
        self, connection: redis.Redis, queue: str, *, with_reasons: bool, memory: KnownFailures | None = None
    ) -> None:
        self._redis = connection
        self._keys = Keys(queue)
        self._with_reasons = with_reasons
        self._failures = FailedRegistry(connection, queue)
        self._memory = memory

    def read(self) -> Status:
        queue = self._keys.queue.encode()
        names = self._items("lrange", self._keys.turn)
        shops = [raw(self._keys.shop_queue(text(name))) for name in names]
        waiting, off = self._count("llen", queue), sum(self._count("llen", shop) for shop in shops)
        return Status(
            queue=self._keys.name,
            waiting=waiting + off,
            put_off=off,
            apart=sum(number for *_, number in self._failures.apart()),
            started=self._count("zcard", self._keys.started),
            failed=self._failed(),
            oldest=self._oldest([queue, *shops]),
            workers=list(self.workers(self._keys.workers)),
            is_suspended=bool(self._redis.exists("rq:suspended")),
            wrong_keys=[str(key) for key in Control(self._redis, self._keys.name).wrong_keys()],
        )

    def _failed(self) -> dict[str, int]:
        if self._redis.type(self._keys.failed) != b"zset":
            return {}
        if not self._with_reasons:
            return {"failed": self._count("zcard", self._keys.failed)}
        reasons = Counter(failure.reason.kind for failure in (self._memory or self._failures).all())
        return dict(reasons.most_common())

    def _oldest(self, heads: list[bytes]) -> float | None:
        """Return the greatest age of the first jobs of the lists, which are roughly in order of arrival."""
        first = [job_id for key in heads for job_id in self._items("lrange", key, 0, 0)]
        ages = [self._age(*self._fields(job_key(text(job_id)), "created_at")) for job_id in first]
        return max((age for age in ages if age is not None), default=None)

    def workers(self, keys: str) -> Iterator[Worker]:
        """Yield the workers in a set of workers."""
        for key in sorted(self._items("smembers", keys))[:_MOST_WORKERS]:
            state, held, beat, done, failed, death, ours, queues = self._fields(key, *_WORKER_FIELDS)
            age = self._age(beat)
            name = _text(key).removeprefix(WORKER)
            yield Worker(
                name=printable(name),
                state=_state(state, held, death, age, _OURS if name.startswith("botlive-") else _DEAD),
                reason=printable(held)[:1_000] if held else None,
                heartbeat=age,
                finished=_number(done),
                failed=_number(failed),
                release=printable(ours)[:100] if ours else None,
                queues=printable(queues)[:1_000] if queues else None,
            )

    def _fields(self, key: bytes, *names: str) -> list[str | None]:
        found = self._asked("hmget", key, names) or [None] * len(names)
        return [None if value is None else _text(value) for value in found]

    def _items(self, command: str, key: str | bytes, *span: int) -> list[bytes]:
        bounds = span or ((0, -1) if command == "lrange" else ())
        return list(cast("list[bytes]", self._asked(command, key, *bounds) or []))

    def _count(self, command: str, key: str | bytes) -> int:
        return int(self._asked(command, key) or 0)

    def _asked(self, command: str, *arguments: Any) -> Any:
        """Run a command; None if the key has the wrong type, which ``wrong_keys`` reports."""
        return none_if_wrong_type(lambda: getattr(self._redis, command)(*arguments))

    @staticmethod
    def _age(instant: str | None) -> float | None:
        try:
            then = datetime.fromisoformat(instant or "").astimezone(UTC)
        except (ValueError, OverflowError):
            return None
        return max(0.0, round((datetime.now(UTC) - then).total_seconds(), 1))


def _state(state: str | None, held: str | None, death: str | None, age: float | None, patience: float) -> str:
    if death or age is None or age > patience:
        return "dead"
    if held:
        return "held"
    return "suspended" if state == "suspended" else "working"


def _number(text: str | None) -> int:
    return int(text) if text and text.isascii() and text.isdigit() and len(text) < 19 else 0  # noqa: PLR2004


def _text(raw: bytes) -> str:
    return raw.decode(errors="backslashreplace")
