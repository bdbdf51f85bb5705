"""Puts jobs on the queue in Redis, from the chat process."""

import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from hashlib import sha1
from importlib.resources import files
from typing import Any, NamedTuple, TypeVar

import redis
from redis.exceptions import NoScriptError, RedisError, ResponseError

from events.errors import PublishError
from events.publishing.address import KEEPALIVE, PLAIN
from events.publishing.call import Call
from events.publishing.cause import cause_of
from events.publishing.coalescer import Group
from events.publishing.forks import renew_in_children
from events.publishing.keys import Keys
from events.publishing.memory import Mark, Memory
from events.publishing.wire import limit_wait, read_reply, request_number

CHUNK = 500
"""Events per round trip: about 500 KB, so that Redis stays responsive for other clients."""

_SCRIPT = files("events.publishing").joinpath("publish.lua").read_text(encoding="utf-8")
_SCRIPT_SHA = sha1(_SCRIPT.encode(), usedforsecurity=False).hexdigest()
_NUMBER_OF_KEYS = 5
_COUNTED = 86_400  # seconds after which an unused counter expires, also in publish.lua

# A network may drop idle connections without notice to either end: often after 60 s, seldom before 30 s.
_LONGEST = 15.0  # idle seconds after which a connection is not used again
_TRUSTED = 1.0  # idle seconds after which a connection must answer within _SOON, or a new one is opened
_SOON = 0.1  # seconds; twice the time of the last answer if Redis is far away

Jobs = Sequence[tuple[Call, str]]
"""Calls with the ids of their jobs."""

_Answer = TypeVar("_Answer")


class _Kept(NamedTuple):
    """An open connection that is not in use, and since when."""

    connection: redis.Connection
    since: float

    @property
    def age(self) -> float:
        return time.monotonic() - self.since


class Queue:
    """Puts calls on one RQ queue, each as a job. Safe to share between threads, and after a fork.

    It manages its connections itself, because opening one decides how long a caller waits. A name look-up has
    no time limit. A server that does not answer for ``patience`` seconds counts as unreachable. Confirmed
    calls are kept in ``memory``, which the queues of one publisher share.
    """

    def __init__(
        self, connection: redis.Redis, name: str, *, patience: float, memory: Memory | None = None
    ) -> None:
        self._pool = connection.connection_pool
        self._keys = Keys(name)
        self._patience = patience
        self._memory = memory or Memory()
        self._pace = 0.0  # seconds that the last answer took
        self._renew()
        renew_in_children(self._renew)

    def put(self, calls: Sequence[Call]) -> None:
        """Put the calls on the queue in their order, hundreds in each round trip.

        Raises:
            PublishError: Redis did not confirm all calls.
        """
        for start in range(0, len(calls), CHUNK):
            self._put(calls[start : start + CHUNK])

    def put_groups(self, groups: Sequence[Group]) -> Sequence[PublishError | None]:
        """Put all groups on the queue together, and return for each one the error, or None."""
        try:
            self.put([call for group in groups for call in group])
        except PublishError as error:
            return [error] * len(groups)
        return [None] * len(groups)

    def put_at_once(self, call: Call, within: float) -> bool:
        """Put the call on the queue if a connection is open. Return whether Redis confirmed it in time."""
        if self._pace > within:  # no answer would arrive in time, and the connection would be closed for it
            return False
        kept = self._idle()
        if kept is None:
            return False
        count, mark = None, self._memory.mark
        with suppress(RedisError, OSError):
            count = request_number(kept.connection, self._command(call, call.own_id, mark), within)
        if count is None:
            kept.connection.disconnect()
            if kept.age > _TRUSTED + within:
                self.close()  # the network may have dropped the others too
            return False
        self._keep(kept.connection)
        self._memory.keep(mark, count, [call])
        return True

    def check_counter(self) -> None:
        """Compare the publisher's counter in Redis with the confirmed count.

        Raises:
            PublishError: the counter cannot be read.
        """
        with _translated_errors():
            self._with_connection(self._read_counter)

    def close(self) -> None:
        """Close the idle connections."""
        while self._open:
            with suppress(IndexError):  # another thread was faster
                self._open.pop().connection.disconnect()

    def _put(self, calls: Sequence[Call]) -> None:
        with _translated_errors():
            contested = self._send([(call, call.own_id) for call in calls])
            refused = self._send([(call, call.contested_id) for call in contested])
        if refused:
            raise PublishError

    def _send(self, jobs: Jobs) -> list[Call]:
        """Put the jobs on the queue, and return the calls whose job id another event already has."""
        if not jobs:
            return []
        mark, replies = self._with_connection(lambda connection: self._send_over(connection, jobs))
        pairs = [(call, count >= 0) for (call, _), count in zip(jobs, replies, strict=True)]
        self._memory.keep(mark, max(replies[-1], -1 - replies[-1]), [call for call, taken in pairs if taken])
        return [call for call, taken in pairs if not taken]

    def _with_connection(self, exchange: Callable[[redis.Connection], _Answer]) -> _Answer:
        kept = self._idle()
        if kept is not None:
            soon = max(_SOON, 2 * self._pace)
            limit_wait(kept.connection, soon if kept.age > _TRUSTED else self._patience)
            try:
                return self._exchange_on(kept.connection, exchange)
            except (RedisError, OSError):
                self.close()  # the server may have closed all idle connections
        return self._exchange_on(self._connect(), exchange)

    def _exchange_on(
        self, connection: redis.Connection, exchange: Callable[[redis.Connection], _Answer]
    ) -> _Answer:
        started = time.monotonic()
        try:
            answer = exchange(connection)
        except BaseException:
            connection.disconnect()
            raise
        self._pace = time.monotonic() - started
        self._keep(connection)
        return answer

    def _send_over(self, connection: redis.Connection, jobs: Jobs) -> tuple[Mark, list[Any]]:
        """Send the jobs, and return the mark before sending with the replies."""
        mark = self._memory.mark
        *others, last = jobs
        commands = [self._command(*job, mark, counts=False) for job in others]
        commands.append(self._command(*last, mark))  # all jobs share one count
        connection.send_packed_command(connection.pack_commands(commands))
        replies = [read_reply(connection) for _ in jobs]
        errors = [one for one in replies if isinstance(one, ResponseError)]
        if any(isinstance(error, NoScriptError) for error in errors):
            # The server has restarted. All jobs are sent again, which does not duplicate any.
            connection.send_command("SCRIPT", "LOAD", _SCRIPT)
            connection.read_response()
            return self._send_over(connection, jobs)
        if errors:
            raise errors[0]
        return mark, replies

    def _read_counter(self, connection: redis.Connection) -> None:
        mark = self._memory.mark
        connection.send_command("GETEX", mark[0], "EX", _COUNTED)
        self._memory.check(mark, int(connection.read_response() or 0))

    def _command(self, call: Call, job_id: str, mark: Mark, *, counts: bool = True) -> tuple[str | int, ...]:
        counter, confirmed = mark
        arguments = call.arguments(self._keys, job_id)
        return "EVALSHA", _SCRIPT_SHA, _NUMBER_OF_KEYS, counter, *arguments, confirmed if counts else ""

    def _renew(self) -> None:
        # A forked child must not use the connections of its parent: the answers would be mixed up.
        self._open: deque[_Kept] = deque()

    def _keep(self, connection: redis.Connection) -> None:
        self._open.append(_Kept(connection, time.monotonic()))

    def _idle(self) -> _Kept | None:
        """Take the connection that was used last, or return None."""
        try:
            kept = self._open.pop()
        except IndexError:
            return None
        if kept.age <= _LONGEST:
            return kept
        kept.connection.disconnect()
        self.close()  # the others have been idle for longer
        return None

    def _connect(self) -> redis.Connection:
        options = {**self._pool.connection_kwargs, **PLAIN, "socket_timeout": self._patience}
        if issubclass(self._pool.connection_class, redis.Connection):  # not over a Unix socket
            options = {**KEEPALIVE, **options, "socket_connect_timeout": self._patience}
        connection: redis.Connection = self._pool.connection_class(**options)
        # The name and version of the library: each would take a round trip, and some proxies refuse it.
        for name in ("driver_info", "lib_name", "lib_version"):  # of redis-py 8, and of older releases
            setattr(connection, name, None)
        try:
            connection.connect()
        except BaseException:
            connection.disconnect()
            raise
        return connection


@contextmanager
def _translated_errors() -> Iterator[None]:
    try:
        yield
    except Exception as error:  # the host name, the client's options and the server cause many types
        raise PublishError(
            f"Redis did not confirm the event ({cause_of(error)}). Publish the same event again"
        ) from error
