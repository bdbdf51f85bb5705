"""Whether the Redis that a worker got keeps what it acknowledged."""

import redis


def doubts(connection: redis.Redis) -> list[str]:
    """What of its configuration may lose events that wait, each with the cure; best none.

    Asked by INFO, which hosted services answer where they refuse CONFIG
    (https://valkey.io/commands/info).
    """
    try:
        told = {**connection.info("persistence"), **connection.info("memory")}
    except redis.ResponseError:
        return [
            "it does not say how it is configured (INFO is not allowed): see to appendonly and noeviction"
        ]
    return [*_log(told.get("aof_enabled")), *_eviction(told.get("maxmemory_policy"))]


def _log(enabled: object) -> list[str]:
    if enabled in {1, "1"}:
        return []
    return ["it keeps no append-only file, and its restart forgets what waits: set appendonly yes"]


def _eviction(policy: object) -> list[str]:
    if policy == "noeviction":
        return []
    return [f"its maxmemory-policy is {policy}, which throws data away: set noeviction"]
