"""The queue class of our worker and of RQ's own commands."""

from unittest.mock import Mock

import fakeredis
import pytest

from events.publishing.keys import Keys
from worker.breaker import Breaker
from worker.consumer import Consumer
from worker.event_queue import EventQueue

NAME = "botlive"


@pytest.fixture
def redis() -> fakeredis.FakeStrictRedis:
    """A Redis that does not answer INFO, as one whose ACL forbids it."""
    return fakeredis.FakeStrictRedis()


def waiting_job(redis: fakeredis.FakeStrictRedis) -> str:
    """Put a job on the queue and return its id."""
    return EventQueue(NAME, redis).enqueue("worker.job.persist", {}).id


def test_a_dequeued_job_stays_in_redis(redis: fakeredis.FakeStrictRedis) -> None:
    """A job that was taken from the queue is in RQ's intermediate queue, so that a kill does not lose it."""
    job_id = waiting_job(redis)
    assert EventQueue.dequeue_any([EventQueue(NAME, redis)], None, redis)
    assert redis.lrange(Keys(NAME).intermediate, 0, -1) == [job_id.encode()]


def test_our_worker_dequeues_in_this_way(redis: fakeredis.FakeStrictRedis) -> None:
    """A job that our worker leaves to RQ is taken from the queue in the same way."""
    job_id = waiting_job(redis)
    worker = Consumer(NAME, redis, Mock(), Breaker(1))
    assert worker._stock(job_id)
    assert redis.lrange(Keys(NAME).intermediate, 0, -1) == [job_id.encode()]


def test_of_several_queues_the_first_with_a_job_is_taken(redis: fakeredis.FakeStrictRedis) -> None:
    """RQ's own worker may work on several queues; RQ then removes the job from its queue."""
    job_id = waiting_job(redis)
    job, queue = EventQueue.dequeue_any([EventQueue("empty", redis), EventQueue(NAME, redis)], None, redis)
    assert (job.id, queue.name) == (job_id, NAME)
    assert redis.exists(Keys(NAME).queue) == 0
