"""Counts the waiting events by shop."""

from collections import Counter
from typing import Any, NamedTuple, cast

import redis

from events.publishing.keys import Keys, job_key, raw, text
from gateway.errors import OversizedJob
from gateway.letters import printable
from gateway.masking import mask_text
from operations.failed.job import payload
from operations.failed.registry import exceed, readable
from worker.apart import Store
from worker.control import none_if_wrong_type
from worker.unpacking import unpack

SHOWN = 5
"""The most shops in the answer."""

_EXAMINED = 500  # jobs of the queue itself; its length is not limited
_SMALL = 20_000  # bytes; a larger job is not read


class Shop(NamedTuple):
    """The waiting events of one shop."""

    company_id: str
    """It is masked where it may be a phone number."""
    waiting: int
    """In its overflow queue, apart, and among the first jobs of the queue."""


def most(connection: redis.Redis, queue: str) -> list[Shop]:
    """Return the shops with the most waiting events."""
    keys = Keys(queue)
    counts: Counter[str] = Counter()
    for name in cast("list[bytes]", none_if_wrong_type(lambda: connection.lrange(keys.turn, 0, -1)) or []):
        key: Any = raw(keys.shop_queue(text(name)))
        counts[text(name)] += int(cast("Any", none_if_wrong_type(lambda: connection.llen(key))) or 0)  # noqa: B023 # called at once
    apart = Store(connection, queue)
    for kind in apart.groups():
        counts[kind.company_id] += apart.count(kind)
    counts.update(_companies(connection, keys.queue))
    return [
        Shop(printable(mask_text(name))[:128], count) for name, count in counts.most_common(SHOWN) if count
    ]


def _companies(connection: redis.Redis, queue: str) -> list[str]:
    """Return the companies of the first jobs of the queue."""
    ids = cast("list[bytes]", none_if_wrong_type(lambda: connection.lrange(queue, 0, _EXAMINED - 1)) or [])
    names = [text(job_id) for job_id in ids]
    pipeline = connection.pipeline(transaction=False)
    for name, is_large in zip(names, exceed(connection, names, _SMALL), strict=True):
        if not is_large:
            pipeline.hget(cast("str", job_key(name)), "data")
    found = [_company(readable(reply) or b"") for reply in pipeline.execute(raise_on_error=False)]
    return [name for name in found if name]


def _company(data: bytes) -> str:
    try:
        event = payload(unpack(data))
    except OversizedJob:
        return ""
    name = event.get("company_id") if isinstance(event, dict) else None
    return name if isinstance(name, str) else ""
