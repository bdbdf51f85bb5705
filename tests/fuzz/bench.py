"""A real server and a real worker in this process, with Supabase's part played."""

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
    """Takes every event, and knows which."""

    def __init__(self) -> None:
        self.events: set[str] = set()

    def persist(self, elements: Sequence[Mapping[str, object]], *, apart: bool = False) -> list[Outcome]:
        """All are persisted."""
        self.events |= {str(element["event_id"]) for element in elements}
        return [Outcome("persisted")] * len(elements)

    def admits(self, plain_events: Sequence[Mapping[str, Any]]) -> list[str | None]:
        """All are."""
        return [None] * len(plain_events)

    def probe(self) -> None:
        """All is well."""


class Bench:
    """One queue on one Valkey."""

    queue = "fuzz"

    def __init__(self, stack: ExitStack) -> None:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            self.port = listener.getsockname()[1]
        server = Valkey(Path(stack.enter_context(TemporaryDirectory())) / "valkey", self.port)
        server.start()
        stack.callback(server.stop)
        self.redis = redis.Redis(port=self.port)
        stack.callback(self.redis.close)
        self.redis.config_set("appendonly", "no")  # nothing here is to outlive anything
        self.tables = Tables()

    def publish(self, event: AnyEvent) -> None:
        """Publish it by a publisher that ends: one that lives on would publish it again after ``empty``."""
        with Publisher(redis.Redis(port=self.port), queue=self.queue, within=10) as publisher:
            publisher.publish(event)

    def empty(self) -> None:
        """As if nothing had been."""
        self.redis.flushall()
        self.tables.events.clear()

    def work(self) -> None:
        """A worker works the queue off."""
        logs.configure()  # to standard error as it is now
        with _own_signals():
            Consumer(self.queue, self.redis, self.tables, Breaker(500)).run(burst=True)

    def waiting(self) -> int:
        """What is on the queue, or in a worker's hand."""
        counts: tuple[Any, ...] = (
            self.redis.llen(f"rq:queue:{self.queue}"),
            self.redis.zcard(f"rq:wip:{self.queue}"),
        )
        return int(sum(counts))


@contextmanager
def _own_signals() -> Iterator[None]:
    """RQ takes the process's signals, and keeps them."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
