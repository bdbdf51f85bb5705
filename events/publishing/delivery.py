"""Brings events to the queue in the background: one that Redis refuses does not hold up the others."""

from collections.abc import Sequence

from redis.exceptions import ResponseError

from events.errors import PublishError
from events.publishing.call import Call
from events.publishing.cause import cause_of
from events.publishing.queue import Queue

CHUNK = 100
"""Events a round trip: large ones must get through within its time limit too."""


def deliver(queue: Queue, calls: Sequence[Call]) -> list[bool]:
    """Put them on the queue in their order; whether each is there now. At least one is.

    Raises:
        PublishError: none is: Redis is away, or refuses all of them.
    """
    try:
        queue.put(calls)
    except PublishError as error:
        if not isinstance(error.__cause__, ResponseError) or cause_of(error).away:
            raise
        # It may be one event's doing, whose key in Redis holds something else: the others go.
        taken = [_is_taken(queue, call) for call in calls]
        if not any(taken):
            raise
        return taken
    return [True] * len(calls)


def _is_taken(queue: Queue, call: Call) -> bool:
    try:
        queue.put([call])
    except PublishError:
        return False
    return True
