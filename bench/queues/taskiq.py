"""Taskiq (https://taskiq-python.github.io): its Redis stream broker, because it acknowledges."""

import os

from taskiq_redis import RedisStreamBroker

from bench.task import apersist, persist
from events import Event

# "0": tasks that were queued before the first worker started are not skipped.
broker = RedisStreamBroker(os.environ["REDIS_URL"], consumer_id="0")

# Fastest in threads, because httpx's asyncio client is slower than its sync client.
_task = persist if "TASKIQ_THREADS" in os.environ else apersist
_write = broker.register_task(_task, task_name="write")


async def asend(event: Event) -> None:
    """Publish one event."""
    await _write.kiq(event.model_dump_json(exclude_none=True))
