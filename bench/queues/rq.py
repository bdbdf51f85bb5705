"""Stock RQ (https://python-rq.org/docs/): its own producer and its own workers.

``Worker`` and ``SimpleWorker`` are RQ's, unchanged. Importing them from here imports the task before the
first fork, as RQ's page "Performance Notes" advises. This also creates the client, and each work horse
then connects it.
"""

import os
from collections.abc import Iterable

import redis
from rq import Queue
from rq.serializers import JSONSerializer
from rq.worker import SimpleWorker, Worker

import bench.task as _  # noqa: F401 # imported before the first fork
from events import Event

__all__ = ["SimpleWorker", "Worker"]

_TASK = "bench.task.persist"
_queue = Queue("bench", connection=redis.Redis.from_url(os.environ["REDIS_URL"]), serializer=JSONSerializer)


def send(event: Event) -> None:
    """Publish one event."""
    _queue.enqueue(_TASK, event.model_dump_json(exclude_none=True), description=event.type)


def load(events: Iterable[Event]) -> None:
    """Publish a backlog."""
    _queue.enqueue_many(
        Queue.prepare_data(_TASK, [event.model_dump_json(exclude_none=True)], description=event.type)
        for event in events
    )
