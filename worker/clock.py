"""Compares the clock of a server with this machine's."""

import time
from collections.abc import Callable
from contextlib import suppress

import redis

TOLERANCE = 5.0
"""Seconds between two clocks that are worth a warning."""


def ahead(read: Callable[[], float]) -> float:
    """Return how far the clock that ``read`` reads, in seconds since 1970, is ahead of this machine's.

    It was read at some moment of the call, which may have waited for a server that restarted.
    """
    before = time.time()
    theirs = read()
    return theirs - min(max(theirs, before), time.time())


def redis_time(connection: redis.Redis) -> float:
    """Return the server's time, in seconds since 1970."""
    seconds, microseconds = connection.time()
    return float(seconds + microseconds / 1_000_000)


def wrong_clock(connection: redis.Redis) -> str | None:
    """Return how the clocks of Redis and of this machine differ, and the cure; None if they do not."""
    with suppress(redis.ResponseError):  # TIME is not allowed
        skew = ahead(lambda: redis_time(connection))
        if abs(skew) > TOLERANCE:
            return (
                f"the clock of Redis differs from this machine's by {skew:+.0f} s: synchronise both (NTP); "
                "else ages are wrong, and events may be refused as more than 24 hours in the future"
            )
    return None
