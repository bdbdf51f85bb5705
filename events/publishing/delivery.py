"""Puts events on the queue so that one that Redis refuses does not block the others."""

from collections.abc import Sequence

from redis.exceptions import ResponseError

from events.errors import PublishError
from events.publishing.call import Call
from events.publishing.cause import cause_of
from events.publishing.queue import Queue

CHUNK = 100
"""Events per round trip. It is small so that 100 large events also arrive within the time limit."""


def deliver(queue: Queue, calls: Sequence[Call]) -> list[bool]:
    """Put the calls on the queue in their order, and return for each whether the queue took it.

    Raises:
        PublishError: the queue took none, because Redis is unreachable or refuses all of them.
    """
    try:
        queue.put(calls)
    except PublishError as error:
        if not isinstance(error.__cause__, ResponseError) or cause_of(error).away:
            raise
        # A single event may be the cause, if its key in Redis has another type. The others must not wait.
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
