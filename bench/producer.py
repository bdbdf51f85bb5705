"""Runs one queue's producer as a separate process: ``python -m bench.producer QUEUE``.

Reads one JSON object per line, ``{"file", "how"}``, publishes the file's events (NDJSON) and answers with
``{"took", "each"}`` in seconds. The process keeps running, so that it imports and connects only once.
"""

import asyncio
import json
import sys
import time
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from importlib import import_module
from pathlib import Path
from typing import Any

from events import AnyEvent, parse_event

CLIENTS = 50


class Producer:
    """Publishes by a module of ``bench.queues``."""

    def __init__(self, queue: str) -> None:
        self._module = import_module(f"bench.queues.{queue}")
        self._runner = asyncio.Runner()
        self._threads = ThreadPoolExecutor(CLIENTS)

    def load(self, events: Sequence[AnyEvent]) -> list[float]:
        """Publish a backlog in the fastest way that the queue has."""
        if load := getattr(self._module, "load", None):
            load(events)
            return []
        return self.alone(events)

    def alone(self, events: Sequence[Any]) -> list[float]:
        """Publish one event after the other; return the seconds of each."""
        if send := getattr(self._module, "send", None):
            return [_timed(send, event) for event in events]
        return self._runner.run(self._one_by_one(events))

    def together(self, events: Sequence[Any]) -> list[float]:
        """Publish by fifty clients at once: tasks if the producer is asyncio, else threads."""
        if getattr(self._module, "asend", None):
            return self._runner.run(self._all(events))
        return list(self._threads.map(lambda event: _timed(self._module.send, event), events))

    def prepare(self, events: Sequence[AnyEvent]) -> Sequence[Any]:
        """Do the part of the work that is not timed."""
        made = getattr(self._module, "prepare", None)
        return [made(event) for event in events] if made else events

    async def _one_by_one(self, events: Sequence[Any]) -> list[float]:
        return [await _atimed(self._module.asend, event) for event in events]

    async def _all(self, events: Sequence[Any]) -> list[float]:
        waiting = iter(events)
        each: list[float] = []

        async def client() -> None:
            for event in waiting:
                each.append(await _atimed(self._module.asend, event))  # noqa: PERF401 # shared by the clients

        await asyncio.gather(*(client() for _ in range(CLIENTS)))
        return each


def _timed(send: Callable[[Any], None], event: Any) -> float:
    started = time.perf_counter()
    send(event)
    return time.perf_counter() - started


async def _atimed(send: Callable[[Any], Awaitable[None]], event: Any) -> float:
    started = time.perf_counter()
    await send(event)
    return time.perf_counter() - started


def main() -> None:
    """Answer each line of standard input."""
    producer = Producer(sys.argv[1])
    for line in sys.stdin:
        task = json.loads(line)
        events = [parse_event(text) for text in Path(task["file"]).read_bytes().splitlines()]
        prepared = producer.prepare(events) if task["how"] != "load" else events
        publish = getattr(producer, task["how"])
        started = time.perf_counter()
        each = publish(prepared)
        sys.stdout.write(json.dumps({"took": time.perf_counter() - started, "each": each}) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
