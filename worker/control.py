"""The keys in which a worker and RQ keep their books: what type each has, and what to say of another."""

import re
import shlex
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import NamedTuple, TypeVar

import redis
import structlog

from events.publishing.keys import QUEUES, Keys
from events.publishing.notices import Notices
from gateway.errors import RedisUnusable
from gateway.letters import plain

_TOLD = re.compile(r"WRONGTYPE (\w+) (\w+) (.+)", re.DOTALL)  # as types.lua says it
_Answer = TypeVar("_Answer")


class Misfit(NamedTuple):
    """A key that holds something else than it should."""

    key: str
    wanted: str
    found: str

    def __str__(self) -> str:
        key, other = (shlex.quote(plain(name)) for name in (self.key, f"{self.key}.found"))
        return (
            f"the Redis key {key} is a {self.found} and must be a {self.wanted}: somebody else has written "
            f"it; take it away with redis-cli, RENAME {key} {other}, or DEL {key}"
        )


def kinds(queue: str) -> dict[str, str]:
    """The types of the keys that belong to a queue or to all of RQ."""
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


def is_misfit(error: BaseException) -> bool:
    """Whether a command met a key of another type."""
    return isinstance(error, redis.ResponseError) and "WRONGTYPE" in str(error)


def passing_over_misfits(ask: Callable[[], _Answer]) -> _Answer | None:
    """The answer; None where the key holds something else than it should."""
    try:
        return ask()
    except redis.ResponseError as error:
        if not is_misfit(error):
            raise
        return None


@contextmanager
def telling_misfits(connection: redis.Redis, queue: str) -> Iterator[None]:
    """A command, which says which key holds something else than it should, and ends.

    Raises:
        RedisUnusable: one does, and the command needs it.
    """
    try:
        yield
    except redis.ResponseError as error:
        if not is_misfit(error):
            raise
        raise RedisUnusable("; ".join(map(str, Control(connection, queue).misfits()))) from None


class Control:
    """The keys of one queue, and of one worker."""

    def __init__(self, connection: redis.Redis, queue: str, worker_key: str | None = None) -> None:
        self._redis = connection
        self._kinds = kinds(queue) | ({worker_key: "hash"} if worker_key else {})
        self._notices = Notices()
        self._log = structlog.stdlib.get_logger("botlive")

    def misfits(self, keys: Iterable[str] | None = None) -> list[Misfit]:
        """Those (of these) that hold something else."""
        wanted = {key: self._kinds[key] for key in (self._kinds if keys is None else keys)}
        with self._redis.pipeline(transaction=False) as pipeline:
            for key in wanted:
                pipeline.type(key)
            found = [kind.decode() for kind in pipeline.execute()]
        pairs = zip(wanted.items(), found, strict=True)
        return [Misfit(key, want, kind) for (key, want), kind in pairs if kind not in {"none", want}]

    def tell(self) -> None:
        """Say which hold something else, each at once and then once a minute, and when that is over."""
        misfits = self.misfits()
        for misfit in misfits:
            self._say(misfit)
        if not misfits and self._notices.over() is not None:
            self._log.info("keys are right again")

    @contextmanager
    def holding(self, hold: Callable[[], object]) -> Iterator[None]:
        """Where a key holds something else, say so and call ``hold``; the caller then tries again."""
        try:
            yield
        except redis.ResponseError as error:
            if not is_misfit(error):
                raise
            told = _TOLD.fullmatch(str(error))
            if told:
                self._say(Misfit(told[3], told[1], told[2]))
            self.tell()
            hold()

    def _say(self, misfit: Misfit) -> None:
        if self._notices.is_due(misfit.key):
            self._log.error("wrong key", reason=str(misfit))
