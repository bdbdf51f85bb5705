"""A dashboard without a server: its client, the content of its Redis, and whether that has changed."""

from typing import Any

import fakeredis
from flask.testing import FlaskClient
from rq import Queue
from rq.job import Job, JobStatus
from rq.registry import FailedJobRegistry
from rq.results import Result
from rq.serializers import JSONSerializer

from operations.board.app import Board
from operations.board.gate import Gate

OWN = {"Origin": "http://localhost", "Sec-Fetch-Site": "same-origin"}
"""What a browser says of a request that the dashboard's own page makes."""

PHONE = "+2250712345678"


def board(redis: fakeredis.FakeStrictRedis, gate: Gate | None = None) -> Board:
    """The dashboard of this Redis."""
    return Board(redis, "redis://localhost:6379/0", gate or Gate())


def client(redis: fakeredis.FakeStrictRedis, gate: Gate | None = None) -> FlaskClient:
    """Return its client."""
    return board(redis, gate).test_client()


def fail(redis: fakeredis.FakeStrictRedis, job_id: str, queue: str = "botlive", **more: Any) -> Job:
    """Put one of our jobs into the failed registry."""
    there = Queue(queue, connection=redis, serializer=JSONSerializer)
    fields = {
        "description": "order_completed",
        "meta": {},
        "reason": "UnknownCompany: it is in no row",
        **more,
    }
    reason = fields.pop("reason")
    job = there.create_job(
        "worker.job.persist", [{"user_id": PHONE}], job_id=job_id, failure_ttl=-1, **fields
    )
    job.save()
    redis.sadd(there.redis_queues_keys, there.key)
    FailedJobRegistry(queue, redis).add(job, -1)
    Result.create_failure(job, -1, reason)
    redis.hset(job.key, "status", JobStatus.FAILED.value)  # the registry saves the job as it was made
    return job


def contents(redis: fakeredis.FakeStrictRedis) -> dict[bytes, Any]:
    """Return the whole content."""
    read: dict[Any, Any] = {
        b"hash": redis.hgetall,
        b"list": lambda key: redis.lrange(key, 0, -1),
        b"set": redis.smembers,
        b"zset": lambda key: redis.zrange(key, 0, -1, withscores=True),
        b"stream": redis.xrange,
        b"string": redis.get,
    }
    return {key: read[redis.type(key)](key) for key in redis.scan_iter()}
