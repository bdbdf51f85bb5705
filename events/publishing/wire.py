"""Adds to redis-py's connections time limits for whole answers, and errors as return values."""

import socket
import time
from collections.abc import Sequence
from typing import Any

import redis
from redis.exceptions import ResponseError

_PART = 100  # maximum bytes of one read


def limit_wait(connection: redis.Connection, seconds: float) -> None:
    """Set the maximum time that the connection waits for data."""
    sock: Any = connection._sock
    if isinstance(sock, socket.socket):
        sock.settimeout(seconds)


def request_number(connection: redis.Connection, command: Sequence[str | int], within: float) -> int | None:
    """Send the command and return the number in its answer. None if it is negative or not a number.

    The socket's own time limit would begin again with every byte. It is changed here, so the next user of the
    connection must set it again.

    Raises:
        OSError, RedisError: the answer did not arrive in time, or the connection failed.
    """
    deadline = time.monotonic() + within
    sock: Any = connection._sock
    if not isinstance(sock, socket.socket):
        return None
    sock.settimeout(within)
    connection.send_packed_command(connection.pack_command(*command), check_health=False)
    answer = b""
    while not answer.endswith(b"\r\n"):
        sock.settimeout(max(0.0, deadline - time.monotonic()))
        part = sock.recv(_PART)
        if not part:
            return None
        answer += part
    number = answer[1:-2]
    return int(number) if answer[:1] == b":" and number.isdigit() else None


def read_reply(connection: redis.Connection) -> Any:
    """Return the next answer. An error is returned and not raised, because other answers may follow."""
    try:
        return connection.read_response()
    except ResponseError as error:
        return error
