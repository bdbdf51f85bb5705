"""A new queue on the stack, with a publisher, workers and the tables."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import psycopg
import redis
from psycopg.rows import dict_row
from pydantic import SecretStr
from rq import Queue
from rq.serializers import JSONSerializer

from devstack.stack import Stack
from events import Publisher
from gateway.client import Gateway
from gateway.settings import Settings
from tests import forked
from tests.forked import BOTLIVE, Fork
from tests.oracle import TABLES, Tables

BIN = Path(sys.executable).parent
BOTLIVE_WORKER = [BOTLIVE, "worker"]
_BUSY = 4  # times as long as an idle machine: what a busy one may take


class Line:
    """A queue of the test's own, its publisher, and the processes that work it off."""

    def __init__(self, stack: Stack) -> None:
        self.name = f"test-{uuid4().hex}"
        self.environment = {**os.environ, **stack.environment, "BOTLIVE_QUEUE": self.name}
        self.redis = redis.Redis.from_url(stack.environment["REDIS_URL"])
        self.queue = Queue(self.name, connection=self.redis, serializer=JSONSerializer)
        self.publisher = Publisher(
            redis.Redis.from_url(stack.environment["REDIS_URL"]), queue=self.name, within=10
        )
        self.gateway = Gateway.connect(
            Settings(
                supabase_url=stack.environment["SUPABASE_URL"],
                supabase_key=SecretStr(stack.environment["SUPABASE_KEY"]),
            )
        )
        self.shops: list[str] = []
        self.connect()

    def connect(self) -> None:
        """Look at the tables over a new connection."""
        self.database: psycopg.Connection[dict[str, Any]] = psycopg.connect(
            self.environment["DATABASE_URL"], autocommit=True, row_factory=dict_row
        )

    def run(self, *command: str, **options: Any) -> subprocess.CompletedProcess[str]:
        """A command in the environment of this line: ``botlive`` in a fork, which reads no new PYTHONPATH."""
        has_new_path = self.environment.get("PYTHONPATH") != os.environ.get("PYTHONPATH")
        if command[0] == BOTLIVE and not has_new_path:
            return forked.run(command[1:], self.environment, **options)
        return subprocess.run(
            command, env=self.environment, text=True, capture_output=True, timeout=200, check=False, **options
        )

    def work(self, workers: int = 1) -> str:
        """Work the queue off with that many processes at once; their logs."""
        with ThreadPoolExecutor(workers) as pool:
            done = [*pool.map(lambda _: self.run(*BOTLIVE_WORKER, "--burst"), range(workers))]
        logs = [each.stderr for each in done]
        assert [each.returncode for each in done] == [0] * workers, logs
        return "".join(logs)

    @contextmanager
    def worker(self) -> Iterator[Fork]:
        """A worker that goes on until it is stopped, or the test is over."""
        with forked.running(["worker"], self.environment) as process:
            yield process

    def held(self) -> int:
        """Return how many jobs are claimed."""
        return int(self.redis.zcard(f"rq:wip:{self.name}"))

    def shop(self, company_id: str | None = None) -> tuple[str, UUID]:
        """A shop by that text id, or a new one."""
        company_id = company_id or f"flow-{uuid4()}"
        self.shops.append(company_id)
        return company_id, UUID(self.gateway.call("botlive_company_add", {"text_id": company_id})["uuid"])

    def rows(self, shops: Sequence[UUID]) -> Tables:
        """Return all rows of these shops, in the order of their ids."""
        return Tables(*(self._rows(table, columns, shops) for table, columns in TABLES.items()))

    def _rows(self, table: str, columns: str, shops: Sequence[UUID]) -> dict[UUID, dict[str, Any]]:
        names = ", ".join(columns.split())
        query = f"select id, {names} from public.{table} where company_id = any(%s) order by id"
        return {row.pop("id"): row for row in self.database.execute(query.encode(), [list(shops)])}

    def failed(self) -> dict[str, str]:
        """The failed registry: job id and traceback."""
        jobs = (self.queue.fetch_job(job_id) for job_id in self.queue.failed_job_registry.get_job_ids())
        results = {job.id: job.latest_result() for job in jobs if job}
        return {job_id: (result and result.exc_string) or "" for job_id, result in results.items()}

    def close(self) -> None:
        """Give everything back."""
        self.publisher.close()
        self.gateway.close()
        self.database.close()
        self.redis.close()


@contextmanager
def locked_orders(stack: Stack) -> Iterator[None]:
    """Lock the orders, so that calls hang in the database."""
    with psycopg.connect(stack.environment["DATABASE_URL"]) as database:
        database.execute("lock table public.orders in share mode")
        yield


def until(condition: Callable[[], bool], seconds: float) -> float:
    """Wait for the condition, which an idle machine meets in these seconds; how many it took."""
    started = time.monotonic()
    while not condition():
        assert time.monotonic() - started < _BUSY * seconds, "it did not happen in time"
        time.sleep(0.02)
    return time.monotonic() - started
