"""A queue class for RQ's own commands. Its jobs are always read as ``EventJob`` and JSON.

RQ passes its options ``-j`` and ``-S`` only to some of its queues, and ``rq info`` has neither option.
"""

from typing import Any, cast

import redis
from rq import Queue
from rq.serializers import JSONSerializer

from worker.event_job import EventJob


class EventQueue(Queue):
    """A queue that uses only ``EventJob`` and the JSON serializer."""

    job_class: type[EventJob] = EventJob

    def __init__(self, name: str = "default", connection: Any = None, **options: Any) -> None:
        super().__init__(name, connection, **{**options, **self._ours()})

    @classmethod
    def all(cls, connection: redis.Redis, *_: Any, **__: Any) -> list[Queue]:
        """Return the queues in RQ's set of queues; an entry that is no queue key is ignored."""
        prefix = cls.redis_queue_namespace_prefix
        names = (_text(key) for key in cast("set[bytes]", connection.smembers(cls.redis_queues_keys)))
        return [cls(name.removeprefix(prefix), connection) for name in names if name.startswith(prefix)]

    @classmethod
    def dequeue_any(
        cls, queues: Any, timeout: int | None, connection: redis.Redis, *_: Any, **options: Any
    ) -> Any:
        """Dequeue as RQ does, with our job class and serializer."""
        return super().dequeue_any(queues, timeout, connection, **{**options, **cls._ours()})

    @classmethod
    def lpop(cls, queue_keys: Any, timeout: int | None, connection: redis.Redis | None = None) -> Any:
        """Move the job to RQ's intermediate queue, as RQ does.

        If Redis does not answer INFO, RQ takes it for an old version and only removes the job from the queue:
        a kill would then lose the job.
        """
        if connection is not None and len(queue_keys) == 1:
            return cls.lmove(connection, queue_keys[0], timeout)
        return super().lpop(queue_keys, timeout, connection)

    @classmethod
    def _ours(cls) -> dict[str, Any]:
        return {"job_class": cls.job_class, "serializer": JSONSerializer}


def _text(key: bytes) -> str:
    return key.decode(errors="backslashreplace")
