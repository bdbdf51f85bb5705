"""The queue in Redis, as the chat sees it."""

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
from events.publishing.address import KEEPALIVE
from events.publishing.call import Call
from events.publishing.cause import cause_of
from events.publishing.coalescer import Group
from events.publishing.forks import renew_in_children
from events.publishing.keys import Keys
from events.publishing.memory import Mark, Memory
from events.publishing.wire import number_at_once, reply, wait_only

CHUNK = 500
"""Events a round trip: some 500 KB, so that Redis stays responsive for others."""

_SCRIPT = files("events.publishing").joinpath("publish.lua").read_text(encoding="utf-8")
_SCRIPT_SHA = sha1(_SCRIPT.encode(), usedforsecurity=False).hexdigest()
_NUMBER_OF_KEYS = 5
_COUNTED = 86_400  # seconds that a counter stays in Redis without use, here and in the script

# A path may drop what is silent, and tell neither end. Many do after 60 s, few before 30 s.
_LONGEST = 15.0  # seconds without use after which a connection is not used again
_TRUSTED = 1.0  # seconds without use after which it has to answer soon, or a new one is opened
_SOON = 0.1  # seconds

Jobs = Sequence[tuple[Call, str]]
"""Calls, each with the id of its job."""

_Answer = TypeVar("_Answer")


class _Kept(NamedTuple):
    """A connection that is open, and since when it is not in use."""

    connection: redis.Connection
    since: float

    @property
    def age(self) -> float:
        return time.monotonic() - self.since


class Queue:
    """Puts calls on one RQ queue, each as a job. Safe to share between threads, and after a fork.

    It keeps its connections itself: which one opens, and in whose thread, decides how long a caller may
    have to wait. A name look-up has no time limit; a silent server is left after ``patience`` seconds.
    What Redis confirms is kept in ``memory``, which several queues of one publisher share.
    """

    def __init__(
        self, connection: redis.Redis, name: str, *, patience: float, memory: Memory | None = None
    ) -> None:
        self._pool = connection.connection_pool
        self._keys = Keys(name)
        self._patience = patience
        self._memory = memory or Memory()
        self._renew()
        renew_in_children(self._renew)

    def put(self, calls: Sequence[Call]) -> None:
        """Put them on the queue in their order, hundreds to a round trip.

        Raises:
            PublishError: Redis did not confirm all of them.
        """
        for start in range(0, len(calls), CHUNK):
            self._put(calls[start : start + CHUNK])

    def put_groups(self, groups: Sequence[Group]) -> Sequence[PublishError | None]:
        """Put them together; for each group the error, or None."""
        try:
            self.put([call for group in groups for call in group])
        except PublishError as error:
            return [error] * len(groups)
        return [None] * len(groups)

    def put_at_once(self, call: Call, within: float) -> bool:
        """Put it where that can be done without opening a connection, and within that many seconds."""
        kept = self._idle()
        if kept is None:
            return False
        count, mark = None, self._memory.mark
        with suppress(RedisError, OSError):
            count = number_at_once(kept.connection, self._command(call, call.own_id, mark), within)
        if count is None:
            kept.connection.disconnect()
            if kept.age > _TRUSTED + within:
                self.close()  # the path may have dropped the others with it
            return False
        self._keep(kept.connection)
        self._memory.keep(mark, count, [call])
        return True

    def look(self) -> None:
        """Compare the publisher's counter with what was confirmed.

        Raises:
            PublishError: Redis does not say.
        """
        with _told():
            self._speak(self._read_counter)

    def close(self) -> None:
        """Give the connections back."""
        while self._open:
            with suppress(IndexError):  # another thread was there first
                self._open.pop().connection.disconnect()

    def _put(self, calls: Sequence[Call]) -> None:
        with _told():
            contested = self._send([(call, call.own_id) for call in calls])
            refused = self._send([(call, call.contested_id) for call in contested])
        if refused:
            raise PublishError

    def _send(self, jobs: Jobs) -> list[Call]:
        """Those whose id is taken by another event."""
        if not jobs:
            return []
        mark, replies = self._speak(lambda connection: self._exchange(connection, jobs))
        pairs = [(call, count >= 0) for (call, _), count in zip(jobs, replies, strict=True)]
        self._memory.keep(mark, max(replies[-1], -1 - replies[-1]), [call for call, taken in pairs if taken])
        return [call for call, taken in pairs if not taken]

    def _speak(self, talk: Callable[[redis.Connection], _Answer]) -> _Answer:
        kept = self._idle()
        if kept is not None:
            wait_only(kept.connection, _SOON if kept.age > _TRUSTED else self._patience)
            try:
                return self._over(kept.connection, talk)
            except (RedisError, OSError):
                self.close()  # the server may have closed it long ago, and the others with it
        return self._over(self._connect(), talk)

    def _over(self, connection: redis.Connection, talk: Callable[[redis.Connection], _Answer]) -> _Answer:
        try:
            answer = talk(connection)
        except BaseException:
            connection.disconnect()
            raise
        self._keep(connection)
        return answer

    def _exchange(self, connection: redis.Connection, jobs: Jobs) -> tuple[Mark, list[Any]]:
        """The replies, and the mark at which the jobs were sent."""
        mark = self._memory.mark
        *others, last = jobs
        commands = [self._command(*job, mark, counts=False) for job in others]
        commands.append(self._command(*last, mark))  # one count for all
        connection.send_packed_command(connection.pack_commands(commands))
        replies = [reply(connection) for _ in jobs]
        errors = [one for one in replies if isinstance(one, ResponseError)]
        if any(isinstance(error, NoScriptError) for error in errors):
            # A fresh or restarted server. What did get through is sent again: that does no harm.
            connection.send_command("SCRIPT", "LOAD", _SCRIPT)
            connection.read_response()
            return self._exchange(connection, jobs)
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
        # A forked child must not speak over its parent's connections: answers would be mixed up.
        self._open: deque[_Kept] = deque()

    def _keep(self, connection: redis.Connection) -> None:
        self._open.append(_Kept(connection, time.monotonic()))

    def _idle(self) -> _Kept | None:
        """The connection that was used last."""
        try:
            kept = self._open.pop()
        except IndexError:
            return None
        if kept.age <= _LONGEST:
            return kept
        kept.connection.disconnect()
        self.close()  # the others were used before it
        return None

    def _connect(self) -> redis.Connection:
        options = {**self._pool.connection_kwargs, "socket_timeout": self._patience}
        if issubclass(self._pool.connection_class, redis.Connection):  # not over a Unix socket
            options = {**KEEPALIVE, **options, "socket_connect_timeout": self._patience}
        connection: redis.Connection = self._pool.connection_class(**options)
        try:
            connection.connect()
        except BaseException:
            connection.disconnect()
            raise
        return connection


@contextmanager
def _told() -> Iterator[None]:
    try:
        yield
    except Exception as error:  # whatever the name, the client's options or the server bring about
        raise PublishError(
            f"Redis did not confirm the event ({cause_of(error)}). Publish the same event again"
        ) from error
