"""The one place where the parts are put together."""

import os
from functools import cache
from typing import TYPE_CHECKING

import redis

from events.publishing.address import client
from gateway.client import Gateway
from gateway.settings import Settings
from worker.breaker import Breaker
from worker.persister import Persister

ANSWER = 6.0
"""Seconds that a worker waits for an answer of Redis: then its lease is over, too."""

if TYPE_CHECKING:
    from worker.consumer import Consumer


def consumer(settings: Settings, breaker: Breaker | None = None) -> "Consumer":
    """A worker on the queue that the settings name; by default with a breaker on this machine's clock."""
    # Not for a stock worker, which imports this module too.
    from worker.consumer import Consumer
    from worker.event_job import EventJob
    from worker.way import told

    EventJob.callbacks = frozenset(settings.callbacks.replace(",", " ").split())
    connection = connect_redis(settings.redis_url)
    gateway = Gateway.connect(settings)
    breaker = breaker or Breaker(settings.batch)
    # Twice, for a call connects, sends and reads, and each of these has its own limit.
    with told():
        connection.ping()  # before RQ's first questions, whose refusal it takes for an old server's
        made = Consumer(settings.queue, connection, gateway, breaker, patience=2 * settings.timeout)
    # RQ has made it 25 s, for it waits longer for jobs than we do.
    connection.connection_pool.connection_kwargs["socket_timeout"] = ANSWER
    return made


@cache
def persister() -> Persister:
    """This process's persister, made from its environment at the first call."""
    return Persister(Gateway.connect(Settings.from_env()))


# A forked child must not speak over its parent's connections: answers would be mixed up.
os.register_at_fork(after_in_child=persister.cache_clear)


def connect_redis(url: str) -> redis.Redis:
    """A connection that outlives a restart or a failover, in whatever state that finds the server."""
    from worker.way import Way

    return client(
        url,
        retry=Way(),
        # A refused connection is an OSError before redis-py wraps it, and would end the worker.
        socket_connect_timeout=5,
        socket_timeout=ANSWER,
        retry_on_error=[redis.ConnectionError, redis.TimeoutError, OSError],
        health_check_interval=30,
    )
