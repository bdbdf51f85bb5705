"""Whether a worker can use the Redis that it got."""

import re

import redis

_OLDEST = 7


def unfit(connection: redis.Redis) -> str | None:
    """Why not, with what to do; None where it can, or where the server does not say what it is."""
    try:
        told = {**connection.info("server"), **connection.info("cluster")}
    except redis.ResponseError:  # INFO is not allowed
        return None
    # Valkey says by redis_version which Redis it can stand for.
    version = str(told.get("redis_version", ""))
    number = re.match(r"\d+", version)
    if number and int(number[0]) < _OLDEST:
        return (
            f"Redis is older than {_OLDEST} (it is {version[:20]}): use Redis {_OLDEST} or newer, or Valkey"
        )
    if told.get("cluster_enabled") in {1, "1"}:
        return "Redis runs in Cluster mode: use a Redis outside it, for Cluster mode is not supported"
    return None
