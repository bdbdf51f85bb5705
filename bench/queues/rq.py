"""Stock RQ (https://python-rq.org/docs/): its own producer and its own workers.

``Worker`` and ``SimpleWorker`` are RQ's, untouched: importing them from here imports the task before the
first fork, as RQ's page "Performance Notes" advises, and with it makes the client that each work horse
then connects.
"""

import os
from collections.abc import Iterable

import redis
from rq import Queue
from rq.serializers import JSONSerializer
from rq.worker import SimpleWorker, Worker

import bench.task as _  # noqa: F401 # the import is what it is for
from events import Event

__all__ = ["SimpleWorker", "Worker"]

_TASK = "bench.task.persist"
_queue = Queue("bench", connection=redis.Redis.from_url(os.environ["REDIS_URL"]), serializer=JSONSerializer)


def send(event: Event) -> None:
    """One event."""
    _queue.enqueue(_TASK, event.model_dump_json(exclude_none=True), description=event.type)


def load(events: Iterable[Event]) -> None:
    """A backlog."""
    _queue.enqueue_many(
        Queue.prepare_data(_TASK, [event.model_dump_json(exclude_none=True)], description=event.type)
        for event in events
    )
