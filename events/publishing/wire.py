"""What redis-py's connections lack: time limits over a whole answer, and errors that are answers too."""

import socket
import time
from collections.abc import Sequence
from typing import Any

import redis
from redis.exceptions import ResponseError

_PART = 100  # bytes that are read at once


def wait_only(connection: redis.Connection, seconds: float) -> None:
    """Wait no longer for each of its answers."""
    line: Any = connection._sock
    if isinstance(line, socket.socket):
        line.settimeout(seconds)


def number_at_once(connection: redis.Connection, command: Sequence[str | int], within: float) -> int | None:
    """The number that it answers with, in time; None for any other answer, or one below 0.

    The client's own time limit would begin anew with every byte. Who uses the connection next sets his own.
    """
    deadline = time.monotonic() + within
    line: Any = connection._sock
    if not isinstance(line, socket.socket):
        return None
    line.settimeout(within)
    connection.send_packed_command(connection.pack_command(*command), check_health=False)
    answer = b""
    while not answer.endswith(b"\r\n"):
        line.settimeout(max(0.0, deadline - time.monotonic()))
        part = line.recv(_PART)
        if not part:
            return None
        answer += part
    number = answer[1:-2]
    return int(number) if answer[:1] == b":" and number.isdigit() else None


def reply(connection: redis.Connection) -> Any:
    """Its next answer; an error of Redis is one, for other answers may follow it."""
    try:
        return connection.read_response()
    except ResponseError as error:
        return error
