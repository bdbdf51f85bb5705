"""The limit for any RQ producer: sends the bytes of our publisher in one MULTI, prepared in advance."""

import os
from typing import Any, NamedTuple

import redis
import redis.asyncio

from events import Event, Publisher

_URL = os.environ["REDIS_URL"]
_QUEUE = os.environ["BOTLIVE_QUEUE"]
_redis = redis.Redis.from_url(_URL)
_aredis = redis.asyncio.Redis.from_url(_URL)
_publisher = Publisher.from_env(within=10)


class Prepared(NamedTuple):
    """A job as our publisher wrote it."""

    job_id: str
    fields: dict[Any, Any]


def prepare(event: Event) -> Prepared:
    """Publish the event, read the job from Redis, and delete it there."""
    job_id = str(_publisher.publish(event))
    fields: Any = _redis.hgetall(f"rq:job:{job_id}")
    _redis.delete(f"rq:job:{job_id}", f"rq:queue:{_QUEUE}")
    return Prepared(job_id, fields)


def send(job: Prepared) -> None:
    """Publish one event."""
    pipeline = _redis.pipeline(transaction=True)
    _put(pipeline, job)
    pipeline.execute()


async def asend(job: Prepared) -> None:
    """Publish one event on an event loop."""
    pipeline = _aredis.pipeline(transaction=True)
    _put(pipeline, job)
    await pipeline.execute()


def _put(pipeline: Any, job: Prepared) -> None:
    pipeline.hset(f"rq:job:{job.job_id}", mapping=job.fields)
    pipeline.rpush(f"rq:queue:{_QUEUE}", job.job_id)
    pipeline.sadd("rq:queues", f"rq:queue:{_QUEUE}")
