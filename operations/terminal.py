"""Redis as the commands use it: they say what is wrong with it, and do not wait for it."""

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
    """A connection for one command.

    Raises:
        RedisUnusable: somebody has to mend something first.
        TransientFault: it may go when it is tried again.
    """
    try:
        with client(url, socket_timeout=_PATIENCE, socket_connect_timeout=_CONNECTING) as connection:
            yield connection
    except RedisError as error:  # its own text may quote a password
        raise fault(error) from None


def fault(error: BaseException, then: str = "run it again when that is mended") -> Exception:
    """What a command says of it."""
    cause = cause_of(error)
    return RedisUnusable(str(cause)) if cause.lasts else TransientFault(f"{cause}; {then}")
