"""The worker's way to Redis: how long it tries, and what it says meanwhile.

Every thread comes by here, for redis-py asks one ``Retry`` what to do when a command or a connection fails.
"""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import redis
import structlog
from redis.backoff import ExponentialWithJitterBackoff
from redis.exceptions import InvalidResponse, RedisError, ResponseError
from redis.retry import Retry

from events.publishing.cause import cause_of
from events.publishing.causes import Cause
from events.publishing.notices import Notices
from gateway.errors import RedisUnusable
from worker.durability import doubts
from worker.fitness import unfit

AT_FIRST = 5.0
"""Seconds that a worker tries at its start what waiting does not help: a name may just be made known."""

_Answer = TypeVar("_Answer")


class Way(Retry):
    """Tries for ever, and says why; but at the start not for long what somebody has to mend."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__(ExponentialWithJitterBackoff(base=0.05, cap=2), retries=-1)
        self._clock = clock
        self._log = structlog.stdlib.get_logger("botlive")
        self._notices = Notices(clock)
        self._in_trouble: set[object] = set()
        self._first: float | None = None
        self._is_in = self._is_optional = False

    def __deepcopy__(self, _: object) -> "Way":
        return self  # redis-py makes a copy for each connection: all of them speak through this one

    def call_with_retry(  # redis-py passes on more options with each release
        self, do: Callable[[], _Answer], fail: Callable[..., Any], *args: Any, **options: Any
    ) -> _Answer:
        """Redis-py's; an answer that stands for a lost connection is tried again like one."""
        call = object()

        def attempt() -> _Answer:
            try:
                return do()
            except (ResponseError, InvalidResponse) as error:
                if not self._waits_out(cause_of(error)):
                    raise
                raise redis.ConnectionError from error

        def failed(error: Exception, *count: int) -> Any:
            self._failed(call, error)
            return fail(error, *count)

        try:
            answer = super().call_with_retry(attempt, failed, *args, **options)
        except BaseException:
            self._in_trouble.discard(call)
            raise
        self._passed(call)
        return answer

    def entered(self) -> None:
        """Redis has let us in: whatever it says from now on is waited out."""
        self._is_in = True

    @contextmanager
    def optional(self) -> Iterator[None]:
        """What may be refused without harm: a worker goes on without it."""
        self._is_optional = True
        try:
            yield
        finally:
            self._is_optional = False

    def _waits_out(self, cause: Cause) -> bool:
        if not cause.lasts:
            return cause.away
        # The other threads are RQ's, which does without, and the lease's, whose trouble the main one has too.
        is_main = threading.current_thread() is threading.main_thread()
        return self._is_in and is_main and not self._is_optional

    def _failed(self, call: object, error: Exception) -> None:
        self._in_trouble.add(call)
        cause = cause_of(error)
        if self._notices.is_due(cause.what):
            self._log.error("Redis away", reason=f"{cause}; the worker tries on")
        if cause.lasts and not self._is_in:
            self._first = self._clock() if self._first is None else self._first
            if self._clock() - self._first > AT_FIRST:
                raise RedisUnusable(str(cause))

    def _passed(self, call: object) -> None:
        if self._notices.is_on:
            self._in_trouble.discard(call)
            if not self._in_trouble and (seconds := self._notices.over()) is not None:
                self._log.info("Redis back", seconds=round(seconds, 1))


def way_of(connection: redis.Redis) -> Way:
    """The one by which this connection goes."""
    retry = connection.connection_pool.connection_kwargs.get("retry")
    return retry if isinstance(retry, Way) else Way()


@contextmanager
def entering(connection: redis.Redis) -> Iterator[None]:
    """A worker's first steps in Redis; after them it is in.

    Raises:
        RedisUnusable: what stands there does not let it in, or is no Redis that it can use.
    """
    with told():
        if reason := unfit(connection):
            raise RedisUnusable(reason)
        log = structlog.stdlib.get_logger("botlive")
        for doubt in doubts(connection):
            log.warning("Redis may lose events", reason=doubt)
        yield
    way_of(connection).entered()


@contextmanager
def told() -> Iterator[None]:
    """What Redis refuses is told in one line.

    Raises:
        RedisUnusable: it refused something.
    """
    try:
        yield
    except RedisError as error:  # its own text may quote what was sent
        raise RedisUnusable(str(cause_of(error))) from None
