"""Celery (https://docs.celeryq.dev): JSON and no results, as its page "Optimizing" advises."""

import os

from celery import Celery

from bench.task import persist
from events import Event

app = Celery("bench", broker=os.environ["REDIS_URL"])
app.conf.task_ignore_result = True


@app.task
def write(text: str) -> None:
    """The task."""
    persist(text)


def send(event: Event) -> None:
    """Publish one event."""
    write.delay(event.model_dump_json(exclude_none=True))
