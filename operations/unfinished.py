"""Finds the events in Redis that are not persisted: they wait, are started, wait apart, or failed."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any, cast

import redis

from events.publishing.keys import Keys, raw, text
from operations.failed.registry import FailedRegistry
from worker.control import none_if_wrong_type


def older_than(before: datetime, connection: redis.Redis, queue: str) -> Iterator[str]:
    """Yield the ids of the unfinished events of the queue that occurred before that time."""
    failed = FailedRegistry(connection, queue)
    for detail in failed.read(list(dict.fromkeys(_ids(failed, connection, Keys(queue))))):
        if detail.occurred_at is not None and detail.occurred_at < before:
            yield detail.failure.job_id


def _ids(failed: FailedRegistry, connection: redis.Redis, keys: Keys) -> Iterator[str]:
    # In the order in which a job moves: a job that moves during the search is found twice, but never missed.
    shops = _all(connection.lrange, raw(keys.turn))
    for key in (keys.queue, *(keys.shop_queue(text(shop)) for shop in shops)):
        yield from map(text, _all(connection.lrange, raw(key)))
    for member in _all(connection.zrange, raw(keys.started)):
        yield text(member.rpartition(b":")[0])  # a member is <job>:<worker>
    for list_apart in failed.lists_apart():
        yield from map(text, _all(connection.lrange, list_apart))
    yield from failed.ids()


def _all(command: Any, key: bytes) -> list[bytes]:
    return cast("list[bytes]", none_if_wrong_type(lambda: command(key, 0, -1)) or [])
