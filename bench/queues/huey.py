"""Huey (https://huey.readthedocs.io): its Redis storage, as in its page "Getting started"."""

import os

from huey import RedisHuey

from bench.task import persist
from events import Event

huey = RedisHuey("bench", url=os.environ["REDIS_URL"])


@huey.task()
def write(text: str) -> None:
    """The task."""
    persist(text)


def send(event: Event) -> None:
    """Publish one event."""
    write(event.model_dump_json(exclude_none=True))
