"""The worker: takes jobs from the queue and runs them in this process."""

from typing import Any

import structlog
from rq import SimpleWorker
from rq.job import Job
from rq.serializers import JSONSerializer

from events.job import FUNCTION
from worker.bootstrap import connect_redis
from worker.errors import UnknownFunction
from worker.settings import Settings


class EventJob(Job):
    """A job that calls our function and no other: JSON alone lets it name any function there is."""

    def perform(self) -> Any:
        """Run it.

        Raises:
            UnknownFunction: the job names another function; it is not called.
        """
        if self.func_name != FUNCTION:
            raise UnknownFunction
        return super().perform()


class Consumer(SimpleWorker):
    """An RQ worker on one queue, without forks: a client of Supabase outlives no fork."""

    job_class = EventJob


def consume(settings: Settings, *, burst: bool = False) -> None:
    """Work the queue off until told to stop; with ``burst``, until it is empty."""
    consumer = Consumer(
        settings.queue,
        connection=connect_redis(settings.redis_url),
        serializer=JSONSerializer,
        log_job_description=False,
    )
    structlog.stdlib.get_logger("botlive").info("ready", queue=settings.queue, burst=burst)
    consumer.work(burst=burst, logging_level=None)
