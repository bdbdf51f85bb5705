"""SAQ (https://saq-py.readthedocs.io): an asyncio worker on SAQ's Redis queue."""

import os
from asyncio import get_running_loop
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from saq import Queue

from bench.task import apersist, persist
from events import Event

queue = Queue.from_url(os.environ["REDIS_URL"], name="bench")


async def write(_: dict[str, Any], *, text: str) -> None:
    """The task, as in SAQ's documentation."""
    await apersist(text)


_threads = ThreadPoolExecutor(int(os.environ.get("SAQ_THREADS", "1")))


async def write_in_thread(_: dict[str, Any], *, text: str) -> None:
    """The task in a thread, because httpx's asyncio client is slower than its sync client."""
    await get_running_loop().run_in_executor(_threads, persist, text)


settings = {
    "queue": queue,
    "functions": [("write", write_in_thread if "SAQ_THREADS" in os.environ else write)],
    "concurrency": int(os.environ.get("SAQ_THREADS", "10")),  # 10 is its default
}


async def asend(event: Event) -> None:
    """Publish one event."""
    await queue.enqueue("write", text=event.model_dump_json(exclude_none=True))
