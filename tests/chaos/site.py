"""The local stack of a run, as the harness itself looks at it: it outlives the restarts."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from uuid import UUID

import psycopg
import redis
from psycopg.rows import dict_row
from redis.backoff import ConstantBackoff
from redis.retry import Retry
from rq import Queue
from rq.serializers import JSONSerializer

from devstack.stack import Stack
from gateway.client import Gateway
from gateway.settings import Settings
from tests.chaos.stream import REFUSED
from tests.replies import text

QUEUE = "chaos"
_STARTED = f"rq:wip:{QUEUE}"


class Site:
    """A running stack, its queue and its tables."""

    def __init__(self, stack: Stack) -> None:
        self.stack = stack
        self.environment = {**os.environ, **stack.environment, "BOTLIVE_QUEUE": QUEUE}
        self.redis = redis.Redis.from_url(
            stack.environment["REDIS_URL"],
            retry=Retry(ConstantBackoff(0.02), 500),
            retry_on_error=[redis.ConnectionError, redis.TimeoutError, OSError],
        )
        self.queue = Queue(QUEUE, connection=self.redis, serializer=JSONSerializer)
        self.keep_what_is_acknowledged()
        with self.database() as database:
            database.execute(
                f"alter table public.orders add constraint chaos_refuses check (customer_name <> '{REFUSED}')"
            )

    def keep_what_is_acknowledged(self) -> None:
        """Redis answers after its file is written. ``everysec`` may answer before, while a sync goes on."""
        self.redis.config_set("appendfsync", "always")

    @contextmanager
    def database(self) -> Iterator[psycopg.Connection[dict[str, Any]]]:
        """A connection of the superuser's."""
        url = self.stack.environment["DATABASE_URL"]
        with psycopg.connect(url, autocommit=True, row_factory=dict_row) as connection:
            yield connection

    def add_shops(self, company_ids: list[str]) -> dict[str, UUID]:
        """Their companies."""
        settings = Settings.model_validate(
            {name: self.environment[name.upper()] for name in ("supabase_url", "supabase_key")}
        )
        gateway = Gateway.connect(settings)
        add = "botlive_company_add"
        shops = {name: UUID(gateway.call(add, {"text_id": name})["uuid"]) for name in company_ids}
        gateway.close()
        return shops

    def holders(self) -> dict[str, str]:
        """Every job in a worker's hand, and the worker's name."""
        members = (text(member).rpartition(":") for member in self.redis.zrange(_STARTED, 0, -1))
        return {job_id: worker for job_id, _, worker in members}

    def queued(self, job_ids: list[str]) -> set[str]:
        """Return which of these events are neither persisted nor failed."""
        pipeline = self.redis.pipeline(transaction=False)
        for job_id in job_ids:
            pipeline.hget(f"rq:job:{job_id}", "status")
        pairs = zip(job_ids, pipeline.execute(), strict=True)
        return {job_id for job_id, status in pairs if status not in (None, b"failed")}

    def pids(self) -> dict[int, str]:
        """The registered workers: process id and name."""
        keys = map(text, self.redis.smembers("rq:workers"))
        found = ((self.redis.hget(key, "pid"), key.removeprefix("rq:worker:")) for key in keys)
        return {int(pid): name for pid, name in found if pid}

    def persisted(self, event_ids: list[str]) -> int:
        """Return how many of these are in the inbox."""
        with self.database() as database:
            query = "select count(*) as n from botlive.inbox where event_id = any(%s::uuid[])"
            row = database.execute(query, [event_ids]).fetchone()
        return int(row["n"]) if row else 0

    def left(self) -> int:
        """Return how many jobs are waiting or claimed."""
        keys: list[bytes] = [f"rq:queue:{QUEUE}".encode(), *self.redis.scan_iter(f"rq:queue:{QUEUE}:*")]
        return sum(int(self.redis.llen(key)) for key in keys) + len(self.holders())

    def failed(self) -> dict[str, str]:
        """The failed registry: job id and what stands there as its reason."""
        jobs = (self.queue.fetch_job(job_id) for job_id in self.queue.failed_job_registry.get_job_ids())
        results = {job.id: job.latest_result() for job in jobs if job}
        return {job_id: (result and result.exc_string) or "" for job_id, result in results.items()}
