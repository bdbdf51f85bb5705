"""Looks at a queue again and again, and derives from two looks how fast it is worked off."""

import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, NamedTuple

import redis
from redis.exceptions import RedisError

from gateway.errors import TransientFault
from operations import shops
from operations.failed.known import KnownFailures
from operations.shops import Shop
from operations.status import Status, read
from operations.terminal import fault


class Look(NamedTuple):
    """What was seen at one moment."""

    at: datetime
    status: Status | None
    """None if Redis could not be read."""
    shops: list[Shop]
    """Those with the most waiting events."""
    rate: float | None
    """Events that workers finished or failed per second since the last look; None if unknown."""
    error: str | None = None
    """Why Redis could not be read."""

    @property
    def held(self) -> int:
        """How many workers hold: their circuit breaker is open."""
        return sum(worker.state == "held" for worker in self.status.workers) if self.status else 0

    def to_dict(self) -> dict[str, Any]:
        """Return the look as a dict for JSON."""
        known = (
            {
                **self.status.to_dict(),
                "rate": self.rate,
                "breaker": "open" if self.held else "closed",
                "shops": [shop._asdict() for shop in self.shops],
            }
            if self.status
            else {"error": self.error}
        )
        return {"at": self.at.isoformat(timespec="milliseconds"), **known}


def looks(connection: redis.Redis, queue: str, seconds: float) -> Iterator[Look]:
    """Yield a look at once, and one more after each pause of so many seconds.

    Raises:
        RedisUnusable: Redis cannot be read until an operator fixes something.
        TransientFault: it cannot be read at the first look.
    """
    before: dict[str, int] = {}
    then: float | None = None
    is_first = True
    memory = KnownFailures(connection, queue)
    while True:
        try:
            status, most = read(connection, queue, memory=memory), shops.most(connection, queue)
        except RedisError as error:
            failure = fault(error, "trying again")
            if is_first or not isinstance(failure, TransientFault):
                raise fault(error) from None
            yield Look(datetime.now(UTC), None, [], None, str(failure))
        else:
            now, done = time.monotonic(), {each.name: each.finished + each.failed for each in status.workers}
            yield Look(datetime.now(UTC), status, most, _rate(before, done, then, now))
            before, then = done, now
        is_first = False
        time.sleep(seconds)


def _rate(before: dict[str, int], done: dict[str, int], then: float | None, now: float) -> float | None:
    """Return the events per second. A worker that has ended in the meantime is not counted."""
    if then is None:
        return None
    events = sum(max(0, count - before.get(name, 0)) for name, count in done.items())
    return round(events / max(now - then, 0.001), 1)
