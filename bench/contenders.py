"""The ways to persist a backlog that are measured against each other."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import psycopg
import redis
from rq import Queue
from rq.serializers import JSONSerializer

from events import Event, Publisher
from worker.gateway import Gateway, element
from worker.settings import Settings

BIN = Path(sys.executable).parent
QUEUE = "bench"
BATCH = 500
LONGEST = 300  # seconds for one run


class Contender(NamedTuple):
    """One way, and how many events it is given: a slow one fewer, so that a run ends."""

    name: str
    share: float
    run: Callable[[Sequence[Event]], float]
    """Persists the events and returns the seconds that it took, start-up left out."""


def contenders() -> list[Contender]:
    """Ours first; the limits last."""
    return [
        Contender("ours", 1.0, lambda events: _worker(events, ["botlive", "worker", "--burst"], {})),
        Contender(
            "ours, one event a call",
            0.05,
            lambda events: _worker(events, ["botlive", "worker", "--burst"], {"BOTLIVE_BATCH": "1"}),
        ),
        Contender("stock RQ SimpleWorker", 0.05, lambda events: _worker(events, _stock("SimpleWorker"), {})),
        Contender("stock RQ Worker", 0.01, lambda events: _worker(events, _stock("Worker"), {})),
        Contender("bare loop of the same RPC", 1.0, _bare_loop),
        Contender("the SQL function by psycopg", 1.0, _psycopg),
    ]


def _stock(worker_class: str) -> list[str]:
    options = [
        "-S",
        "json",
        "--burst",
        "-w",
        f"bench.preloaded.{worker_class}",
        "--url",
        os.environ["REDIS_URL"],
    ]
    return ["rq", "worker", *options, QUEUE]


def _worker(events: Sequence[Event], command: list[str], environment: dict[str, str]) -> float:
    connection = redis.Redis.from_url(os.environ["REDIS_URL"])
    queue = Queue(QUEUE, connection=connection, serializer=JSONSerializer)
    Publisher(connection, queue=QUEUE).publish_many(events)
    process = subprocess.Popen(
        [str(BIN / command[0]), *command[1:]],
        env={**os.environ, **environment, "BOTLIVE_QUEUE": QUEUE},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        _until(lambda: len(queue) < len(events))
        started = time.perf_counter()
        _until(lambda: not len(queue) and not connection.zcard(queue.started_job_registry.key))
        return time.perf_counter() - started
    finally:
        process.wait(timeout=LONGEST)
        assert not queue.failed_job_registry.get_job_ids(), "a contender failed events"


def _until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + LONGEST
    while not condition():
        assert time.monotonic() < deadline, "a contender hangs"
        time.sleep(0.005)


def _bare_loop(events: Sequence[Event]) -> float:
    gateway = Gateway.connect(Settings.from_env())
    gateway.persist([])
    started = time.perf_counter()
    for start in range(0, len(events), BATCH):
        gateway.persist(events[start : start + BATCH])
    took = time.perf_counter() - started
    gateway.close()
    return took


def _psycopg(events: Sequence[Event]) -> float:
    batches = [
        json.dumps([element(event) for event in events[start : start + BATCH]])
        for start in range(0, len(events), BATCH)
    ]
    with psycopg.connect(os.environ["DATABASE_URL"], autocommit=True) as database:
        database.execute("set role service_role")
        started = time.perf_counter()
        for batch in batches:
            database.execute("select public.botlive_persist(%s::jsonb)", [batch])
        return time.perf_counter() - started


def persisted(events: Sequence[Event]) -> bool:
    """Whether all of them are in the tables, each once."""
    ids: list[Any] = [event.event_id for event in events]
    with psycopg.connect(os.environ["DATABASE_URL"]) as database:
        counts = [
            database.execute(
                f"select count(*) from {table} where {column} = any(%s)".encode(), [ids]
            ).fetchone()
            for table, column in (
                ("botlive.inbox", "event_id"),
                ("public.orders", "id"),
                ("public.activities", "id"),
            )
        ]
    return counts == [(len(ids),)] * 3
