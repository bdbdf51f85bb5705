"""The Redis keys of a queue and their types: finds and reports keys that have the wrong type."""

import re
import shlex
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import NamedTuple, TypeVar

import redis
import structlog

from events.publishing.cause import cause_of
from events.publishing.keys import QUEUES, Keys
from events.publishing.notices import Notices
from gateway.errors import RedisUnusable
from gateway.letters import printable

_WRONG_TYPE = re.compile(r"WRONGTYPE (\w+) (\w+) (.+)", re.DOTALL)  # as in types.lua
_FULL = "Redis is full"
_Answer = TypeVar("_Answer")


class WrongKey(NamedTuple):
    """A key that has another type than it must have."""

    key: str
    wanted: str
    found: str

    def __str__(self) -> str:
        key, other = (shlex.quote(printable(name)) for name in (self.key, f"{self.key}.found"))
        return (
            f"the Redis key {key} is a {self.found} and must be a {self.wanted}: another program has written "
            f"it; move or delete it with redis-cli: RENAME {key} {other}, or DEL {key}"
        )


def kinds(queue: str) -> dict[str, str]:
    """Return the required type of each key of the queue, and of RQ's shared keys."""
    keys = Keys(queue)
    registries = ("wip", "failed", "finished", "deferred", "ready", "scheduled", "canceled")
    return {
        keys.queue: "list",
        keys.intermediate: "list",
        **{keys.registry(kind): "zset" for kind in registries},
        QUEUES: "set",
        "rq:workers": "set",
        keys.workers: "set",
        "rq:groups": "set",
        "rq:rl-keys": "set",
        keys.turn: "list",
        keys.apart: "hash",
        keys.edited: "stream",
        keys.discarded: "stream",
    }


def is_wrong_type(error: BaseException) -> bool:
    """Return whether a command failed because a key has the wrong type."""
    return isinstance(error, redis.ResponseError) and "WRONGTYPE" in str(error)


def none_if_wrong_type(ask: Callable[[], _Answer]) -> _Answer | None:
    """Return the answer, or None if the key has the wrong type."""
    try:
        return ask()
    except redis.ResponseError as error:
        if not is_wrong_type(error):
            raise
        return None


@contextmanager
def reporting_wrong_keys(connection: redis.Redis, queue: str) -> Iterator[None]:
    """Turn a wrong-type error of a command into one that names the wrong keys.

    Raises:
        RedisUnusable: a key that the command needs has the wrong type.
    """
    try:
        yield
    except redis.ResponseError as error:
        if not is_wrong_type(error):
            raise
        raise RedisUnusable("; ".join(map(str, Control(connection, queue).wrong_keys()))) from None


class Control:
    """Checks the keys of one queue, and of one worker."""

    def __init__(self, connection: redis.Redis, queue: str, worker_key: str | None = None) -> None:
        self._redis = connection
        self._kinds = kinds(queue) | ({worker_key: "hash"} if worker_key else {})
        self._notices, self._fullness = Notices(), Notices()
        self._log = structlog.stdlib.get_logger("botlive")

    def wrong_keys(self, keys: Iterable[str] | None = None) -> list[WrongKey]:
        """Return the keys that have the wrong type, of ``keys`` or of all."""
        wanted = {key: self._kinds[key] for key in (self._kinds if keys is None else keys)}
        with self._redis.pipeline(transaction=False) as pipeline:
            for key in wanted:
                pipeline.type(key)
            found = [kind.decode() for kind in pipeline.execute()]
        pairs = zip(wanted.items(), found, strict=True)
        return [WrongKey(key, want, kind) for (key, want), kind in pairs if kind not in {"none", want}]

    def report(self) -> None:
        """Log each wrong key at once and then once a minute, and once when all are correct again."""
        found = self.wrong_keys()
        for wrong in found:
            self._say(wrong)
        if not found and self._notices.over() is not None:
            self._log.info("keys are correct again")

    @contextmanager
    def tolerating(self, then: Callable[[], object]) -> Iterator[None]:
        """If Redis is full or a key has the wrong type, log it and call ``then``. The caller tries again."""
        try:
            yield
        except redis.OutOfMemoryError as error:
            if self._fullness.is_due(_FULL):
                self._log.error(_FULL, reason=f"{cause_of(error)}; the worker goes on and makes room")
            then()
        except redis.ResponseError as error:
            if not is_wrong_type(error):
                raise
            if details := _WRONG_TYPE.fullmatch(str(error)):
                self._say(WrongKey(details[3], details[1], details[2]))
            self.report()
            then()

    def _say(self, wrong: WrongKey) -> None:
        if self._notices.is_due(wrong.key):
            self._log.error("wrong key", reason=str(wrong))
