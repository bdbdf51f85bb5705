"""Regression tests for what fuzzing found with a real Redis, and a short run of all fuzz targets."""

import os
import subprocess
import sys
from typing import Any

import pytest
from rq.registry import FailedJobRegistry

from tests.integration.line import Line
from tests.make import order
from worker.breaker import Breaker
from worker.consumer import Consumer

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("field", ["failure_ttl", "timeout", "result_ttl", "ttl"])
@pytest.mark.parametrize("value", ["9" * 400, "-" + "9" * 400, "-5", "7", str(2**40)])
def test_a_number_that_redis_refuses_ends_no_worker(line: Line, field: str, value: str) -> None:
    """A job with a number that Redis rejects ends no worker, and the event behind it is persisted."""
    company_id, uuid = line.shop()
    good = order(company_id)
    ways: dict[str, dict[Any, Any]] = {"plain": {}, "stock": {"webhooks": "x"}}
    for job_id, way in ways.items():
        key = f"rq:job:{job_id}-{line.name}"
        line.redis.hset(key, mapping={"data": "{}", "status": "queued", field: value, **way})
        line.redis.rpush(f"rq:queue:{line.name}", key.removeprefix("rq:job:"))
    line.publisher.publish(good)
    Consumer(line.name, line.redis, line.gateway, Breaker(500)).run(burst=True)
    assert line.rows([uuid]).orders.keys() == {good.event_id}
    failed = FailedJobRegistry(line.name, connection=line.redis).get_job_ids(cleanup=False)
    assert {*failed} == {f"plain-{line.name}", f"stock-{line.name}"}
    assert {line.redis.ttl(f"rq:job:{job_id}") for job_id in failed} == {-1}  # they stay, whatever they say
    assert line.held() == len(line.queue) == 0


def test_what_joins_an_overflow_queue_without_its_turn_is_run(line: Line) -> None:
    """If the list of turns was deleted, the events in overflow queues are still run."""
    company_id, uuid = line.shop()
    first, second = order(company_id), order(company_id)
    line.publisher.publish_many([first, second])
    overflow = f"rq:queue:{line.name}:shop:{company_id}"
    line.redis.rpush(overflow, "gone")
    line.redis.rpush(f"botlive:turn:{line.name}", "another")  # so that the claim looks at shops
    Consumer(line.name, line.redis, line.gateway, Breaker(500)).run(burst=True)
    assert line.rows([uuid]).orders.keys() == {first.event_id, second.event_id}
    assert not line.redis.exists(overflow)


@pytest.mark.timeout(900)
def test_a_longer_run_over_everything() -> None:
    """20,000 cases of all targets find no error. (Rare outcomes need more cases.)

    They run in a process of their own: the run also measures the memory that its process took.
    """
    environment = {**os.environ, "SEED": "2", "CASES": "20000"}
    command = [sys.executable, "-m", "tests.fuzz"]
    ended = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert ended.stdout.splitlines()[-1] == "fuzz: ok seed=2 cases=20000 faults=0", ended.stdout
    assert ended.returncode == 0
