"""Connects a command to Redis. Commands report errors at once instead of waiting for Redis."""

from collections.abc import Iterator
from contextlib import contextmanager

import redis
from redis.exceptions import RedisError

from events.publishing.address import client
from events.publishing.cause import cause_of
from gateway.errors import RedisUnusable, TransientFault

_PATIENCE = 30.0  # seconds for one answer
_CONNECTING = 5.0  # seconds


@contextmanager
def redis_at(url: str) -> Iterator[redis.Redis]:
    """Connect to Redis for one command.

    Raises:
        RedisUnusable: an operator must fix something first.
        TransientFault: the command may succeed later.
    """
    try:
        with client(url, socket_timeout=_PATIENCE, socket_connect_timeout=_CONNECTING) as connection:
            yield connection
    except RedisError as error:  # not its own text, which may quote a password
        raise fault(error) from None


def fault(error: BaseException, then: str = "run the command again when that is fixed") -> Exception:
    """Turn an error of Redis into one that a command can show; ``then`` ends the message."""
    cause = cause_of(error)
    return RedisUnusable(str(cause)) if cause.lasts else TransientFault(f"{cause}; {then}")
