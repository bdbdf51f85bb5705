"""A real Valkey and a real worker in this process, with a fake Supabase."""

import signal
import socket
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import redis

from devstack.valkey import Valkey
from events import AnyEvent, Publisher
from gateway.client import Gateway, Outcome
from operations import logs
from worker.breaker import Breaker
from worker.consumer import Consumer


class Tables(Gateway):
    """A gateway that accepts every event and records its id."""

    def __init__(self) -> None:
        self.events: set[str] = set()

    def persist(self, elements: Sequence[Mapping[str, object]], *, apart: bool = False) -> list[Outcome]:
        """Persist all."""
        self.events |= {str(element["event_id"]) for element in elements}
        return [Outcome("persisted")] * len(elements)

    def admits(self, plain_events: Sequence[Mapping[str, Any]]) -> list[str | None]:
        """Accept all."""
        return [None] * len(plain_events)

    def probe(self) -> None:
        """Succeed."""


class Bench:
    """One queue on a Valkey of its own."""

    queue = "fuzz"

    def __init__(self, stack: ExitStack) -> None:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            self.port = listener.getsockname()[1]
        server = Valkey(Path(stack.enter_context(TemporaryDirectory())) / "valkey", self.port)
        server.start()
        stack.callback(server.stop)
        self.redis = redis.Redis(port=self.port)
        stack.callback(self.redis.close)
        self.redis.config_set("appendonly", "no")  # no case needs durable data
        self.tables = Tables()

    def publish(self, event: AnyEvent) -> None:
        """Publish it and close the publisher, which would otherwise publish it again after ``empty``."""
        with Publisher(redis.Redis(port=self.port), queue=self.queue, within=10) as publisher:
            publisher.publish(event)

    def empty(self) -> None:
        """Delete everything."""
        self.redis.flushall()
        self.tables.events.clear()

    def work(self) -> None:
        """Let a worker process the whole queue."""
        logs.configure()  # to the current standard error
        with _own_signals():
            Consumer(self.queue, self.redis, self.tables, Breaker(500)).run(burst=True)

    def waiting(self) -> int:
        """Return the number of jobs that are waiting or claimed."""
        counts: tuple[Any, ...] = (
            self.redis.llen(f"rq:queue:{self.queue}"),
            self.redis.zcard(f"rq:wip:{self.queue}"),
        )
        return int(sum(counts))


@contextmanager
def _own_signals() -> Iterator[None]:
    """Restore the signal handlers at the end, because RQ replaces them."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
