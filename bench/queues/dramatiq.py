"""Dramatiq (https://dramatiq.io): the Redis broker with its default middleware."""

import os

import dramatiq
from dramatiq.brokers.redis import RedisBroker

from bench.task import persist
from events import Event

dramatiq.set_broker(RedisBroker(url=os.environ["REDIS_URL"]))


@dramatiq.actor
def write(text: str) -> None:
    """The task."""
    persist(text)


def send(event: Event) -> None:
    """Publish one event."""
    write.send(event.model_dump_json(exclude_none=True))
