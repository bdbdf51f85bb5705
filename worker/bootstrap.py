"""Creates the worker and its parts from the settings."""

import os
from functools import cache
from typing import TYPE_CHECKING

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from events.publishing.address import client
from gateway.client import Gateway
from gateway.settings import Settings
from worker.breaker import Breaker
from worker.persister import Persister

ANSWER = 6.0
"""Seconds that a worker waits for an answer of Redis; its lease ends after the same time."""

_SPANS = 1.0  # seconds that a batch waits at most for what its spans are linked to

if TYPE_CHECKING:
    from worker.consumer import Consumer


def consumer(settings: Settings, breaker: Breaker | None = None) -> "Consumer":
    """Create a worker for the queue of the settings, by default with a breaker that uses the real clock."""
    # Imported here, because a stock worker imports this module too and does not need these.
    from worker.consumer import Consumer
    from worker.event_job import EventJob
    from worker.redis_retry import translating_errors

    EventJob.callbacks = frozenset(settings.callbacks.replace(",", " ").split())
    connection = connect_redis(settings.redis_url)
    gateway, persister = _parts(settings)
    breaker = breaker or Breaker(settings.batch)
    # Twice the timeout: a call connects, sends and reads, and each of these steps has its own timeout.
    with translating_errors():
        connection.ping()  # before RQ's first commands: RQ would take an error for an old server
        made = Consumer(
            settings.queue,
            connection,
            gateway,
            breaker,
            patience=2 * settings.timeout,
            persister=persister,
        )
    # RQ has set it to 25 s, because it waits longer for jobs than we do.
    connection.connection_pool.connection_kwargs["socket_timeout"] = ANSWER
    return made


def _parts(settings: Settings) -> tuple[Gateway, Persister | None]:
    """Create the gateway, and a persister that makes spans if OpenTelemetry is installed and on."""
    try:
        from worker import tracing
    except ImportError:
        is_traced = False
    else:
        is_traced = tracing.has_provider()
    if not is_traced:
        return Gateway.connect(settings), None
    gateway = tracing.TracedGateway.connect(settings)
    patience = {"socket_connect_timeout": _SPANS, "socket_timeout": _SPANS, "retry": Retry(NoBackoff(), 0)}
    contexts = tracing.Contexts(client(settings.redis_url, **patience))
    return gateway, tracing.TracedPersister(gateway, contexts, settings.queue)


@cache
def persister() -> Persister:
    """Return the persister of this process, created from the environment at the first call."""
    return Persister(Gateway.connect(Settings.from_env()))


# A forked child must not use the connections of its parent: they would receive each other's answers.
os.register_at_fork(after_in_child=persister.cache_clear)


def connect_redis(url: str) -> redis.Redis:
    """Create a client that survives a restart and a failover of Redis."""
    from worker.redis_retry import RedisRetry

    return client(
        url,
        retry=RedisRetry(),
        # OSError: a refused connection raises it before redis-py wraps it. Without a retry the worker ends.
        socket_connect_timeout=5,
        socket_timeout=ANSWER,
        retry_on_error=[redis.ConnectionError, redis.TimeoutError, OSError],
        health_check_interval=30,
    )
