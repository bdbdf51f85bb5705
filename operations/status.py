"""What there is of the queue, read without RQ: nothing is cleaned up and nothing that a job names is called.

Whatever stands in Redis, it is told as far as it can be read.
"""

from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, NamedTuple, cast

import redis

from events.publishing.keys import WORKER, Keys, job_key, text
from gateway.letters import plain
from operations.failed.registry import FailedRegistry
from worker.claims import LEASE_TTL
from worker.control import Control, passing_over_misfits

_DEAD = 90.0  # seconds without a heartbeat: RQ's work horses give one every 30 s
_MOST_WORKERS = 1_000
_OURS = 10.0 + LEASE_TTL  # ours give one every 10 s


class Worker(NamedTuple):
    """One worker, as its hash says."""

    name: str
    state: str
    """working, held, suspended or dead."""
    reason: str | None
    """Why it holds."""
    heartbeat: float | None
    """Seconds since its last."""
    finished: int
    failed: int


class Status(NamedTuple):
    """What there is of one queue."""

    queue: str
    waiting: int
    put_off: int
    """Of these in the overflow queues of shops that flood it."""
    apart: int
    started: int
    failed: dict[str, int]
    """How many by the name of their reason."""
    oldest: float | None
    """Seconds since the oldest event that waits was published."""
    workers: list[Worker]
    is_suspended: bool
    wrong_keys: list[str]
    """Which keys hold something else than they should, and what to do."""

    def to_dict(self) -> dict[str, Any]:
        """As JSON knows it."""
        return {**self._asdict(), "workers": [worker._asdict() for worker in self.workers]}


def read(connection: redis.Redis, queue: str) -> Status:
    """The state of the queue."""
    return _Reader(connection, queue).read()


class _Reader:
    def __init__(self, connection: redis.Redis, queue: str) -> None:
        self._redis = connection
        self._keys = Keys(queue)
        self._failures = FailedRegistry(connection, queue)

    def read(self) -> Status:
        queue = self._keys.queue.encode()
        shops = [queue + b":shop:" + name for name in self._items("lrange", self._keys.turn)]
        waiting, off = self._count("llen", queue), sum(self._count("llen", shop) for shop in shops)
        heads = [queue, *shops, *self._failures.lists_apart()]
        return Status(
            queue=self._keys.name,
            waiting=waiting + off,
            put_off=off,
            apart=sum(number for *_, number in self._failures.apart()),
            started=self._count("zcard", self._keys.started),
            failed=self._failed(),
            oldest=self._oldest(heads),
            workers=sorted(self._workers()),
            is_suspended=bool(self._redis.exists("rq:suspended")),
            wrong_keys=[str(misfit) for misfit in Control(self._redis, self._keys.name).misfits()],
        )

    def _failed(self) -> dict[str, int]:
        if self._redis.type(self._keys.failed) != b"zset":
            return {}
        reasons = Counter(failure.reason.error or "other" for failure in self._failures.all())
        return dict(reasons.most_common())

    def _oldest(self, heads: list[bytes]) -> float | None:
        """Of the heads of the lists: each is in the order in which its events came, more or less."""
        first = [job_id for key in heads for job_id in self._items("lrange", key, 0, 0)]
        ages = [self._age(self._field(job_key(text(job_id)), "created_at")) for job_id in first]
        return max((age for age in ages if age is not None), default=None)

    def _workers(self) -> Iterator[Worker]:
        for key in sorted(self._items("smembers", self._keys.workers))[:_MOST_WORKERS]:
            names = ("state", "held", "last_heartbeat", "successful_job_count", "failed_job_count", "death")
            state, held, beat, done, failed, death = (self._field(key, name) for name in names)
            age = self._age(beat)
            name = _text(key).removeprefix(WORKER)
            yield Worker(
                name=plain(name),
                state=_state(state, held, death, age, _OURS if name.startswith("botlive-") else _DEAD),
                reason=plain(held)[:1_000] if held else None,
                heartbeat=age,
                finished=_number(done),
                failed=_number(failed),
            )

    def _field(self, key: bytes, name: str) -> str | None:
        found = self._asked("hget", key, name)
        return _text(found) if isinstance(found, bytes) else None

    def _items(self, command: str, key: str | bytes, *span: int) -> list[bytes]:
        bounds = span or ((0, -1) if command == "lrange" else ())
        return list(cast("list[bytes]", self._asked(command, key, *bounds) or []))

    def _count(self, command: str, key: str | bytes) -> int:
        return int(self._asked(command, key) or 0)

    def _asked(self, command: str, *arguments: Any) -> Any:
        """None where the key holds something else: that is told by itself."""
        return passing_over_misfits(lambda: getattr(self._redis, command)(*arguments))

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
