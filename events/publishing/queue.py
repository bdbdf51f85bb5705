"""The queue in Redis, as the chat sees it."""

import socket
import time
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from hashlib import sha1
from importlib.resources import files
from typing import Any, NamedTuple

import redis
from redis.exceptions import NoScriptError, RedisError, ResponseError

from events.errors import PublishError
from events.publishing.address import KEEPALIVE
from events.publishing.call import Call
from events.publishing.cause import cause_of
from events.publishing.coalescer import Group
from events.publishing.forks import renew_in_children
from events.publishing.keys import Keys

CHUNK = 500
"""Events a round trip: some 500 KB, so that Redis stays responsive for others."""

_SCRIPT = files("events.publishing").joinpath("publish.lua").read_text(encoding="utf-8")
_SCRIPT_SHA = sha1(_SCRIPT.encode(), usedforsecurity=False).hexdigest()
_NUMBER_OF_KEYS = 4
_DONE = b":1\r\n"  # the script's answer, as it comes

# A path may drop what is silent, and tell neither end. Many do after 60 s, few before 30 s.
_LONGEST = 15.0  # seconds without use after which a connection is not used again
_TRUSTED = 1.0  # seconds without use after which it has to answer soon, or a new one is opened
_SOON = 0.1  # seconds

Jobs = Sequence[tuple[Call, str]]
"""Calls, each with the id of its job."""


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
    """

    def __init__(self, connection: redis.Redis, name: str, *, patience: float) -> None:
        self._pool = connection.connection_pool
        self._keys = Keys(name)
        self._patience = patience
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
        done = False
        with suppress(RedisError, OSError):
            done = _confirms(kept.connection, self._command(call, call.own_id), within)
        if done:
            self._keep(kept.connection)
        else:
            kept.connection.disconnect()
            if kept.age > _TRUSTED + within:
                self.close()  # the path may have dropped the others with it
        return done

    def close(self) -> None:
        """Give the connections back."""
        while self._open:
            with suppress(IndexError):  # another thread was there first
                self._open.pop().connection.disconnect()

    def _put(self, calls: Sequence[Call]) -> None:
        try:
            contested = self._send([(call, call.own_id) for call in calls])
            refused = self._send([(call, call.contested_id) for call in contested])
        except Exception as error:  # whatever the name, the client's options or the server bring about
            raise PublishError(
                f"Redis did not confirm the event ({cause_of(error)}). Publish the same event again"
            ) from error
        if refused:
            raise PublishError

    def _send(self, jobs: Jobs) -> list[Call]:
        """Those whose id is taken by another event."""
        kept = self._idle() if jobs else None
        if kept is not None:
            if kept.age > _TRUSTED:
                _wait_only(kept.connection, _SOON)
            try:
                return self._over(kept.connection, jobs)
            except (RedisError, OSError):
                self.close()  # the server may have closed it long ago, and the others with it
        return self._over(self._connect(), jobs) if jobs else []

    def _over(self, connection: redis.Connection, jobs: Jobs) -> list[Call]:
        try:
            replies = self._exchange(connection, jobs)
        except BaseException:
            connection.disconnect()
            raise
        _wait_only(connection, self._patience)
        self._keep(connection)
        return [call for (call, _), reply in zip(jobs, replies, strict=True) if not reply]

    def _exchange(self, connection: redis.Connection, jobs: Jobs) -> list[Any]:
        commands = [self._command(call, job_id) for call, job_id in jobs]
        connection.send_packed_command(connection.pack_commands(commands))
        replies = [_reply(connection) for _ in jobs]
        errors = [reply for reply in replies if isinstance(reply, ResponseError)]
        if any(isinstance(error, NoScriptError) for error in errors):
            # A fresh or restarted server. What did get through is sent again: that does no harm.
            connection.send_command("SCRIPT", "LOAD", _SCRIPT)
            connection.read_response()
            return self._exchange(connection, jobs)
        if errors:
            raise errors[0]
        return replies

    def _command(self, call: Call, job_id: str) -> tuple[str | int, ...]:
        return "EVALSHA", _SCRIPT_SHA, _NUMBER_OF_KEYS, *call.arguments(self._keys, job_id)

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


def _wait_only(connection: redis.Connection, seconds: float) -> None:
    """Wait no longer for each of its answers."""
    line: Any = connection._sock
    if isinstance(line, socket.socket):
        line.settimeout(seconds)


def _confirms(connection: redis.Connection, command: Sequence[str | int], within: float) -> bool:
    """Whether it does, in time. The client's own time limit would begin anew with every byte."""
    deadline = time.monotonic() + within
    line: Any = connection._sock
    if not isinstance(line, socket.socket):
        return False
    line.settimeout(within)
    connection.send_packed_command(connection.pack_command(*command), check_health=False)
    answer = b""
    while len(answer) < len(_DONE):
        line.settimeout(max(0.0, deadline - time.monotonic()))
        part = line.recv(len(_DONE) - len(answer))
        if not part:
            return False
        answer += part
    line.settimeout(connection.socket_timeout)
    return answer == _DONE


def _reply(connection: redis.Connection) -> Any:
    try:
        return connection.read_response()
    except ResponseError as error:
        return error  # the other replies are still to be read
