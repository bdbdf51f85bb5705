"""The one place where the parts are put together."""

import os
from functools import cache
from typing import TYPE_CHECKING

import redis
from redis.backoff import ExponentialWithJitterBackoff
from redis.retry import Retry

from worker.breaker import Breaker
from worker.gateway import Gateway
from worker.persister import Persister
from worker.settings import Settings

if TYPE_CHECKING:
    from worker.consumer import Consumer


def consumer(settings: Settings, breaker: Breaker | None = None) -> "Consumer":
    """A worker on the queue that the settings name; by default with a breaker on this machine's clock."""
    # Not for a stock worker, which imports this module too.
    from worker.consumer import Consumer
    from worker.event_job import EventJob

    EventJob.callbacks = frozenset(settings.callbacks.replace(",", " ").split())
    connection = connect_redis(settings.redis_url)
    gateway = Gateway.connect(settings)
    # Twice, for a call connects, sends and reads, and each of these has its own limit.
    return Consumer(
        settings.queue, connection, gateway, breaker or Breaker(settings.batch), patience=2 * settings.timeout
    )


@cache
def persister() -> Persister:
    """This process's persister, made from its environment at the first call."""
    return Persister(Gateway.connect(Settings.from_env()))


# A forked child must not speak over its parent's connections: answers would be mixed up.
os.register_at_fork(after_in_child=persister.cache_clear)


def connect_redis(url: str) -> redis.Redis:
    """A connection that outlives a restart of the server, in whatever state that finds it."""
    return redis.Redis.from_url(
        url,
        retry=Retry(ExponentialWithJitterBackoff(base=0.05, cap=2), retries=-1),  # for ever
        # A refused connection is an OSError before redis-py wraps it, and would end the worker.
        socket_connect_timeout=5,
        retry_on_error=[redis.ConnectionError, redis.TimeoutError, OSError],
        health_check_interval=30,
    )
