"""Checks whether Redis keeps data that it has confirmed."""

from collections.abc import Mapping
from typing import Any

import redis


def doubts(connection: redis.Redis) -> list[str]:
    """Return the settings of Redis that may lose waiting events, each with the cure.

    The settings are read with INFO: hosted services often refuse CONFIG, but answer INFO
    (https://valkey.io/commands/info).
    """
    try:
        info = {**connection.info("persistence"), **connection.info("memory")}
    except redis.ResponseError:
        return [
            "its settings are unknown, because INFO is not allowed: check that appendonly is yes and "
            "maxmemory-policy is noeviction"
        ]
    return weaknesses(info)


def weaknesses(info: Mapping[str, Any]) -> list[str]:
    """Return what of an answer to INFO may lose waiting events, each with the cure after a colon."""
    return [*_log(info.get("aof_enabled")), *_eviction(info.get("maxmemory_policy"))]


def is_volatile(policy: object) -> bool:
    """Return whether a full Redis deletes only keys that expire. Events never expire, but leases do."""
    return str(policy).startswith("volatile-")


def _log(enabled: object) -> list[str]:
    if enabled in {1, "1"}:
        return []
    return ["it has no append-only file, so a restart loses waiting events: set appendonly yes"]


def _eviction(policy: object) -> list[str]:
    if policy == "noeviction" or is_volatile(policy):
        return []
    return [f"its maxmemory-policy is {policy}, which deletes data when memory is full: set noeviction"]
