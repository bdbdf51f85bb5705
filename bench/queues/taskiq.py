"""Taskiq (https://taskiq-python.github.io): the one of its Redis brokers that acknowledges."""

import os

from taskiq_redis import RedisStreamBroker

from bench.task import apersist, persist
from events import Event

# "0": what waits from before the first worker is not skipped.
broker = RedisStreamBroker(os.environ["REDIS_URL"], consumer_id="0")

# At its best in its threads: httpx's asyncio client costs more than its sync one.
_task = persist if "TASKIQ_THREADS" in os.environ else apersist
_write = broker.register_task(_task, task_name="write")


async def asend(event: Event) -> None:
    """One event."""
    await _write.kiq(event.model_dump_json(exclude_none=True))
