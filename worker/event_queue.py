"""A queue for RQ's own commands, whose jobs are read as ours, whatever else the command was told.

RQ hands its ``-j`` and ``-S`` to some of its commands' queues only; ``rq info`` knows neither.
"""

from typing import Any, cast

import redis
from rq import Queue
from rq.serializers import JSONSerializer

from worker.event_job import EventJob


class EventQueue(Queue):
    """Names no other class of jobs than ``EventJob``, and no other serializer than JSON."""

    job_class: type[EventJob] = EventJob

    def __init__(self, name: str = "default", connection: Any = None, **options: Any) -> None:
        super().__init__(name, connection, **{**options, **self._ours()})

    @classmethod
    def all(cls, connection: redis.Redis, *_: Any, **__: Any) -> list[Queue]:
        """Those that RQ's set of queues names; what is no name of a queue is passed over."""
        prefix = cls.redis_queue_namespace_prefix
        names = (_text(key) for key in cast("set[bytes]", connection.smembers(cls.redis_queues_keys)))
        return [cls(name.removeprefix(prefix), connection) for name in names if name.startswith(prefix)]

    @classmethod
    def dequeue_any(
        cls, queues: Any, timeout: int | None, connection: redis.Redis, *_: Any, **options: Any
    ) -> Any:
        """As RQ's."""
        return super().dequeue_any(queues, timeout, connection, **{**options, **cls._ours()})

    @classmethod
    def _ours(cls) -> dict[str, Any]:
        return {"job_class": cls.job_class, "serializer": JSONSerializer}


def _text(key: bytes) -> str:
    return key.decode(errors="backslashreplace")
