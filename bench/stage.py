"""The servers of the runs: cleared before each run, queried after it.

The servers are always started here, and never taken from the environment, because a run truncates tables
and flushes Redis.
"""

import os
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from typing import Any, Self
from uuid import UUID

import psutil  # it has no types
import psycopg
import redis
from pydantic import SecretStr

from bench import processes
from bench.processes import OURS, PROJECT, BenchError, Incorrect, Producer, until
from devstack.stack import Stack
from events import AnyEvent, Item, OrderCompleted, Publisher
from events.publishing.keys import COUNTER
from gateway.client import Gateway
from gateway.settings import Settings

QUEUE = "bench"
SHOPS = tuple(f"4OS4yFcf2LZwxhKojbAVbKuVuSd{letter}" for letter in "abc")
ROUND_TRIP = 80
"""Milliseconds of a round trip to the far gateway."""
_COUNTED = 86_400  # seconds for which a publisher's counter is kept, as in publish.lua
_ONE_EACH = {"botlive.inbox": "event_id", "public.orders": "id", "public.activities": "id"}


class Stage:
    """A local stack, a proxy as the far gateway, three shops, and the processes that a run starts."""

    def __init__(self, stack: Stack, far_port: int, directory: Path) -> None:
        self._stack = stack
        self._far_url = f"http://127.0.0.1:{far_port}"
        self._file = directory / "events.ndjson"
        self._near = {
            **os.environ,
            **stack.environment,
            "BOTLIVE_QUEUE": QUEUE,
            "PYTHONPATH": str(PROJECT),
            "BENCH_EVENTS": str(self._file),
        }
        self.redis = redis.Redis.from_url(stack.environment["REDIS_URL"])
        self.database = psycopg.connect(stack.environment["DATABASE_URL"], autocommit=True)
        self.publisher = Publisher(self.redis, queue=QUEUE, within=10)
        self._producers: dict[tuple[str, int], Producer] = {}

    @classmethod
    @contextmanager
    def up(cls) -> Iterator[Self]:
        """Start everything, and stop it at the end of the block."""
        with ExitStack() as exits:
            directory = Path(exits.enter_context(tempfile.TemporaryDirectory()))
            stack, port = exits.enter_context(Stack()), processes.free_port()
            stage = cls(stack, port, directory)
            exits.callback(stage.close)
            for shop in SHOPS:
                stage.gateway().call("botlive_company_add", {"text_id": shop})
            proxy = [str(OURS / "python"), "-m", "bench.proxy"]
            exits.enter_context(stage.running([*proxy, str(port), str(stack.gateway.port), str(ROUND_TRIP)]))
            until(lambda: processes.listens(port), "the proxy did not start to listen")
            yield stage

    def at(self, delay: int) -> dict[str, str]:
        """Return the environment of a process that is 0 or 80 ms away from the gateway."""
        return {**self._near, "SUPABASE_URL": self._far_url} if delay else self._near

    def gateway(self, delay: int = 0) -> Gateway:
        """Return a client of the near or the far gateway."""
        environment = self.at(delay)
        url, key = environment["SUPABASE_URL"], environment["SUPABASE_KEY"]
        return Gateway.connect(Settings(supabase_url=url, supabase_key=SecretStr(key)))

    def clear(self) -> None:
        """Delete all events, so that every run starts with empty tables."""
        # A publisher whose counter is gone publishes the events of earlier runs again.
        counters = {key: self.redis.get(key) for key in self.redis.scan_iter(f"{COUNTER}*", count=10_000)}
        with self.redis.pipeline() as pipeline:
            pipeline.execute_command("FLUSHALL", "SYNC")  # frees the memory at once
            for key, count in counters.items():
                pipeline.set(key, count or 0, ex=_COUNTED)
            pipeline.execute()
        self.clear_tables()

    def clear_tables(self) -> None:
        """Empty the tables and keep the waiting events."""
        self.database.execute(
            "truncate botlive.inbox, botlive.toggles, public.orders, public.activities, public.bot_sessions"
        )

    def orders(self, number: int) -> list[AnyEvent]:
        """Return ``number`` events, of the shops in turn."""
        return [order(SHOPS[index % len(SHOPS)]) for index in range(number)]

    def flood(self, number: int, shops: Sequence[str] = SHOPS, *, queue: str = QUEUE) -> None:
        """Publish a backlog that is too large to keep in a list."""
        with Publisher(redis.Redis.from_url(self._near["REDIS_URL"]), queue=queue, within=10) as publisher:
            publisher.publish_many(order(shops[index % len(shops)]) for index in range(number))

    def write(self, events: Sequence[AnyEvent]) -> None:
        """Write the events to the file BENCH_EVENTS."""
        self._file.write_text("".join(f"{event.model_dump_json(exclude_none=True)}\n" for event in events))

    def publish(self, queue: str, events: Sequence[AnyEvent], how: str, *, delay: int = 0) -> dict[str, Any]:
        """Publish by a queue's producer and return the measured times (``bench.producer``).

        Raises:
            BenchError: the producer failed.
        """
        self.write(events)
        key = queue, delay
        if key not in self._producers:
            self._producers[key] = Producer(queue, self.at(delay))
        try:
            return self._producers[key].publish(self._file, how)
        except BenchError:
            self._producers.pop(key).close()
            raise

    def running(
        self, command: Sequence[str], environment: Mapping[str, str] | None = None, *, stopped: bool = False
    ) -> AbstractContextManager[psutil.Process]:
        """Run a process near the gateway, unless its environment says otherwise (``processes.running``)."""
        return processes.running(command, environment or self._near, stopped=stopped)

    def count(self) -> int:
        """Return the number of persisted events."""
        return self._number("select count(*) from botlive.inbox")

    def has(self, event_id: UUID) -> bool:
        """Whether the event's order is visible."""
        return bool(self._number("select count(*) from public.orders where id = %s", event_id))

    def pace(self, *, at_once: int, first: int | None = None) -> float:
        """Return the events a second, for all persisted events or for the ``first`` ones.

        The first ``at_once`` transactions are excluded. The time runs from the start of the last of them
        to the start of the last transaction.

        Raises:
            BenchError: there were too few transactions.
        """
        row = self.database.execute(
            """with few as (select persisted_at from botlive.inbox order by persisted_at limit %s),
                    calls as (select persisted_at as began, count(*) as events,
                                     row_number() over (order by persisted_at) as place
                              from few group by persisted_at)
               select sum(events) filter (where place > %s),
                      extract(epoch from max(began) - max(began) filter (where place = %s)) from calls""",
            [first, at_once, at_once],
        ).fetchone()
        if not row or not row[0] or not row[1]:
            raise BenchError("too few events for a rate")
        return float(row[0] / row[1])

    def waiting(self) -> int:
        """Return the number of events that wait for our workers, including those that were put off."""
        queues = [f"rq:queue:{QUEUE}", *(f"rq:queue:{QUEUE}:shop:{shop}" for shop in SHOPS)]
        return sum(int(self.redis.llen(queue)) for queue in queues)

    def check(self, events: Sequence[AnyEvent]) -> None:
        """Check that the tables contain exactly these events, each once.

        Raises:
            Incorrect: rows are missing, or there are others.
        """
        ids = [event.event_id for event in events]
        for table, column in _ONE_EACH.items():
            found = self._number(f"select count(*) from {table}")
            ours = self._number(f"select count(*) from {table} where {column} = any(%s)", ids)
            if (found, ours) != (len(ids), len(ids)):
                raise Incorrect(f"{table}: {ours} of {len(ids)} events' rows, {found - ours} others")

    def servers(self) -> dict[str, list[int]]:
        """Return the ids of the servers' main processes."""
        stack = self._stack
        api = [*stack.gateway.pids, *(stack.postgrest.pids if stack.postgrest else [])]
        return {"redis": stack.valkey.pids, "gateway": api, "postgres": stack.postgres.pids}

    @property
    def api(self) -> str:
        """What answers the API."""
        if self._stack.postgrest:
            return "PostgREST, behind the proxy of devstack"
        return "devstack, one process (in the place of PostgREST)"

    def close(self) -> None:
        """Close everything but the stack."""
        for producer in self._producers.values():
            producer.close()
        self.publisher.close()
        self.database.close()
        self.redis.close()

    def _number(self, query: str, *arguments: Any) -> int:
        row = self.database.execute(query.encode(), arguments).fetchone()
        return int(row[0]) if row else 0


def order(shop: str, key: str | None = None) -> OrderCompleted:
    """Return the README's example order."""
    return OrderCompleted(
        company_id=shop,
        key=key,
        user_id="+2250700000000",
        customer_name="Awa",
        total_amount=12000,
        items=(Item(name="Couches bébé", quantity=2, price=6000),),
    )
