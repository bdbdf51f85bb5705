"""Texts that run as a script if they are not escaped, in every place that others may write to."""

from datetime import UTC, datetime
from typing import Any

from rq import Queue
from rq.executions import Execution
from rq.registry import FinishedJobRegistry
from rq.results import Result
from rq.serializers import JSONSerializer

from gateway.errors import UnknownCompany
from tests.unit.board import fail

EVIL = "evil.test"
"""A name that leads to this machine, in our Chromium alone."""


def hostile(place: str) -> str:
    """Return a text that runs as a script where it is used as markup or code."""
    run = f"(window.hacks=window.hacks||[]).push(`{place}`)"
    return (
        f"""');{run};// "><img src=x onerror={run}><script>{run}</script></script><script>{run}</script>"""
        f"""<%= {run} %>{{{{7*7}}}}<img src=http://{EVIL}/x><iframe src=http://{EVIL}/></iframe>\\"""
    )


QUEUE = f"botlive:apart:order_completed:{hostile('queue')}"
COMPANY = "\"><img src=x onerror=(window.hacks=window.hacks||[]).push('company')>{{7*7}}"
FAILED, RUNNING, DONE = "failed-1", "running-1", "done-1"


def plant(redis: Any) -> None:
    """Write what a hostile publisher or client of Redis may write."""
    fail(redis, FAILED, description=hostile("description"), meta={hostile("meta"): hostile("meta")})
    company = UnknownCompany(COMPANY)
    fail(redis, "failed-2", description=COMPANY, reason=company.report)
    fail(redis, "failed-3", queue=QUEUE, reason=hostile("reason"), description=hostile("description"))
    fail(redis, "failed-4", reason=hostile("reason"))
    queue = Queue(connection=redis, serializer=JSONSerializer, name="botlive")
    queue.enqueue("worker.job.persist", [{}], job_id="queued-1", description=hostile("waiting"))
    _done(redis, queue)
    _running(redis, queue)


def _done(redis: Any, queue: Queue) -> None:
    job = queue.create_job(hostile("function"), job_id=DONE, description=hostile("function"))
    job.save()
    FinishedJobRegistry(queue.name, redis).add(job, -1)
    Result.create(job, Result.Type.SUCCESSFUL, -1, return_value={hostile("result"): hostile("result")})


def _running(redis: Any, queue: Queue) -> None:
    """Register a worker whose fields were written by hand."""
    job = queue.create_job(hostile("call"), [hostile("call")], job_id=RUNNING, description=hostile("current"))
    job.save()
    with redis.pipeline() as pipeline:
        Execution.create(job, 600, pipeline, hostile("worker"))
        pipeline.execute()
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    fields = {"queues": f"botlive,{QUEUE.replace(',', ';')}", "state": "busy"}
    fields |= {"birth": now, "last_heartbeat": now, "version": hostile("version"), "python_version": "3"}
    key = f"rq:worker:{hostile('worker')}"
    redis.sadd("rq:workers", key)
    redis.hset(key, mapping=fields)
