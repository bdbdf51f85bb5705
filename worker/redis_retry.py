"""The worker's retries of Redis commands: how long it retries, and what it logs.

All threads share one ``Retry``, which redis-py calls when a command or a connection fails.
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
from worker.clock import wrong_clock
from worker.durability import doubts
from worker.fitness import exercise, unfit

START_PATIENCE = 5.0
"""Seconds that a starting worker retries errors that an operator must fix, such as an unknown host name.

It does not give up at once: the name may have been created a moment ago.
"""

_Answer = TypeVar("_Answer")


class RedisRetry(Retry):
    """Retries without end and logs why; at the start it gives up on errors that an operator must fix."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__(ExponentialWithJitterBackoff(base=0.05, cap=2), retries=-1)
        self._clock = clock
        self._log = structlog.stdlib.get_logger("botlive")
        self._notices = Notices(clock)
        self._in_trouble: set[object] = set()
        self._first: float | None = None
        self._is_in = self._is_optional = False

    def __deepcopy__(self, _: object) -> "RedisRetry":
        return self  # redis-py copies it for each connection, but all connections must share this one

    def call_with_retry(  # redis-py passes on more options with each release
        self, do: Callable[[], _Answer], fail: Callable[..., Any], *args: Any, **options: Any
    ) -> _Answer:
        """Call with retries; an error reply that means "away" is retried like a lost connection."""
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

    def started(self) -> None:
        """Record that the worker has started: from now on it waits for an operator to fix errors."""
        self._is_in = True

    @contextmanager
    def optional(self) -> Iterator[None]:
        """Do not wait for permissions that only optional commands need; their errors are raised at once."""
        self._is_optional = True
        try:
            yield
        finally:
            self._is_optional = False

    def _waits_out(self, cause: Cause) -> bool:
        if not cause.lasts:
            return cause.away
        # Other threads do not wait: RQ's threads are optional, and an error of the lease thread also occurs
        # in the main thread.
        is_main = threading.current_thread() is threading.main_thread()
        return self._is_in and is_main and not self._is_optional

    def _failed(self, call: object, error: Exception) -> None:
        self._in_trouble.add(call)
        cause = cause_of(error)
        if self._notices.is_due(cause.what):
            self._log.error("Redis away", reason=f"{cause}; the worker keeps trying")
        if cause.lasts and not self._is_in:
            self._first = self._clock() if self._first is None else self._first
            if self._clock() - self._first > START_PATIENCE:
                raise RedisUnusable(str(cause))

    def _passed(self, call: object) -> None:
        if self._notices.is_on:
            self._in_trouble.discard(call)
            if not self._in_trouble and (seconds := self._notices.over()) is not None:
                self._log.info("Redis back", seconds=round(seconds, 1))


def retry_of(connection: redis.Redis) -> RedisRetry:
    """Return the retry policy of the connection."""
    retry = connection.connection_pool.connection_kwargs.get("retry")
    return retry if isinstance(retry, RedisRetry) else RedisRetry()


@contextmanager
def starting(connection: redis.Redis) -> Iterator[None]:
    """Run a worker's first commands: check the server, and report errors that an operator must fix.

    Raises:
        RedisUnusable: Redis denies access, or the worker cannot use this server.
    """
    with translating_errors():
        if reason := unfit(connection):
            raise RedisUnusable(reason)
        log = structlog.stdlib.get_logger("botlive")
        for doubt in doubts(connection):
            log.warning("Redis may lose events", reason=doubt)
        if reason := wrong_clock(connection):
            log.warning("wrong clock", reason=reason)
        exercise(connection)
        yield
    retry_of(connection).started()


@contextmanager
def translating_errors() -> Iterator[None]:
    """Turn any error of Redis into one line that names the cause.

    Raises:
        RedisUnusable: a command failed.
    """
    try:
        yield
    except RedisError as error:  # not its own text, which may quote the command's arguments
        raise RedisUnusable(str(cause_of(error))) from None
