"""Checks of the Redis server."""

import time
from collections.abc import Callable, Iterator
from typing import Any

import redis

from events.publishing.cause import cause_of
from operations.doctor import clock
from operations.doctor.result import Result, failure, not_checked, ok, warning
from worker.clock import redis_time
from worker.durability import is_volatile, weaknesses
from worker.fitness import exercise, unfit

_PART = "Redis"
_CURE = "synchronise both clocks (NTP): the times of events and the ages that are shown are wrong"
_FULL = 0.8  # of maxmemory in use
_FAR = 0.1  # seconds for an answer; a publisher with an outbox waits for 0.125 s


def check(connection: redis.Redis) -> Iterator[Result]:
    """Check the version, the commands, the distance, the clock, the durability, the memory and the role.

    Raises:
        RedisError: the server is out of reach.
    """
    connection.ping()
    yield from _fitness(connection)
    yield from _distance(connection)
    try:
        yield from clock.check(_PART, lambda: redis_time(connection), _CURE)
    except redis.ResponseError as error:
        yield not_checked(_PART, f"the clock: {cause_of(error).what}", "check both clocks by hand (NTP)")
    try:
        info: dict[str, Any] = connection.info()
    except redis.ResponseError:
        yield not_checked(
            _PART,
            "durability and memory: the user of REDIS_URL may not call INFO",
            "allow it (ACL SETUSER … +info), or check appendonly and maxmemory-policy by hand",
        )
        return
    yield ok(_PART, f"answers, version {str(info.get('redis_version', 'unknown'))[:20]}")
    yield from _durability(info)
    yield from _memory(info)
    if info.get("role") == "slave":
        yield failure(
            _PART, "the server is a replica, which takes no writes", "name the primary in REDIS_URL"
        )


def _fitness(connection: redis.Redis) -> Iterator[Result]:
    if reason := unfit(connection):
        what, _, cure = reason.partition(": ")
        yield failure(_PART, what, cure)
        return
    try:
        exercise(connection)
    except redis.ReadOnlyError:  # the role of the server is checked below
        return
    except redis.ResponseError as error:
        yield failure(_PART, *cause_of(error)[:2])


def _distance(connection: redis.Redis) -> Iterator[Result]:
    seconds = min(_seconds(connection.ping) for _ in range(3))
    if seconds > _FAR:
        yield warning(
            _PART,
            f"it answers in {1000 * seconds:.0f} ms",
            "if the chat is as far from it, move Redis, or create the publisher with "
            "Publisher.from_env(within=1.0): else events take the way through the outbox",
        )


def _seconds(action: Callable[[], object]) -> float:
    started = time.monotonic()
    action()
    return time.monotonic() - started


def _durability(info: dict[str, Any]) -> Iterator[Result]:
    weak = weaknesses(info)
    for each in weak:
        what, _, cure = each.partition(": ")
        yield failure(_PART, what, cure)
    if str(info.get("aof_last_write_status", "ok")) != "ok":
        yield failure(_PART, "the append-only file cannot be written", "make room on the server's disk")
    elif not weak:
        policy = info.get("maxmemory_policy")
        yield ok(_PART, f"keeps what it confirmed (append-only file, maxmemory-policy {policy})")


def _memory(info: dict[str, Any]) -> Iterator[Result]:
    used, most = int(info.get("used_memory", 0)), int(info.get("maxmemory", 0))
    if most and used > _FULL * most:
        yield warning(
            _PART,
            f"{used / most:.0%} of its memory is in use ({used // 1_000_000} of {most // 1_000_000} MB)",
            "raise maxmemory, or start workers: a full server takes no events",
        )
    if is_volatile(policy := info.get("maxmemory_policy")):
        yield warning(
            _PART,
            f"its maxmemory-policy is {policy}: a full server keeps the events, but deletes the leases of "
            "workers, so that events are processed twice (and persisted once)",
            "set noeviction if the service allows it",
        )
