"""Checks whether a worker can use a Redis server."""

import re
from contextlib import suppress

import redis

from events.publishing.keys import LEASE

_OLDEST = 7
_NOTHING = f"{LEASE}none"  # a key that does not exist


def unfit(connection: redis.Redis) -> str | None:
    """Return why the server cannot be used and what to do; None if it can, or if INFO is not allowed."""
    try:
        info = {**connection.info("server"), **connection.info("cluster")}
    except redis.ResponseError:  # INFO is not allowed
        return None
    # Valkey reports in redis_version the Redis version that it is compatible with.
    version = str(info.get("redis_version", ""))
    number = re.match(r"\d+", version)
    if number and int(number[0]) < _OLDEST:
        return (
            f"Redis is older than {_OLDEST} (it is {version[:20]}): use Redis {_OLDEST} or newer, or Valkey"
        )
    if info.get("cluster_enabled") in {1, "1"}:
        return "Redis runs in Cluster mode, which is not supported: use a Redis without it"
    return None


def exercise(connection: redis.Redis) -> None:
    """Use what a worker cannot do without and some servers do not allow: scripts, and waiting for a job.

    Raises:
        RedisError: one of these is not allowed.
    """
    with suppress(redis.OutOfMemoryError):  # a full server, in which only our own scripts may write
        # Not EVALSHA: a Redis that restarts between SCRIPT LOAD and EVALSHA no longer knows the script.
        connection.eval("#!lua flags=allow-oom\nreturn 1", 0)
        connection.blmove(_NOTHING, _NOTHING, 0.01, "LEFT", "LEFT")  # type: ignore[arg-type] # as in ``claims``
