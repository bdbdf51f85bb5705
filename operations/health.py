"""The HTTP endpoints of a worker: ``/metrics`` (Prometheus), ``/healthz`` and ``/readyz``."""

import socket
import time
from collections.abc import Callable, Iterable, Iterator
from http import HTTPStatus
from threading import Thread
from typing import Any, Protocol
from wsgiref.simple_server import WSGIRequestHandler, make_server

import redis
from prometheus_client import make_wsgi_app
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.exposition import ThreadingWSGIServer
from prometheus_client.registry import Collector

from events.publishing.address import client
from events.publishing.cause import cause_of
from gateway.letters import printable
from gateway.settings import HealthSettings
from operations import status
from operations.errors import CannotListen
from worker.metrics import REGISTRY

_ANSWER = 2.0  # seconds that Redis may take to answer
_SETTINGS = ("BOTLIVE_METRICS_HOST", "BOTLIVE_METRICS_PORT")
_STUCK = 60.0  # seconds without a turn of the worker's loop: each turn takes less than 30 s

_Start = Callable[[str, list[tuple[str, str]]], object]


class Watched(Protocol):
    """The part of a worker that is asked."""

    last_turn: float
    """When its loop turned last, by the monotonic clock."""

    @property
    def held_because(self) -> str | None:
        """Why it holds all events, or None."""


class Health:
    """A WSGI application about one worker."""

    def __init__(self, worker: Watched, connection: redis.Redis) -> None:
        self._worker = worker
        self._redis = connection
        self._metrics: Any = make_wsgi_app(REGISTRY)

    def __call__(self, environ: dict[str, Any], start: _Start) -> Iterable[bytes]:
        """Answer one request."""
        match environ["PATH_INFO"]:
            case "/metrics":
                answer: Iterable[bytes] = self._metrics(environ, start)
                return answer
            case "/healthz":
                problem = self._stuck()
            case "/readyz":
                problem = self._stuck() or self._worker.held_because or self._away()
            case _:
                return _answer(start, HTTPStatus.NOT_FOUND, "try /metrics, /healthz or /readyz")
        return _answer(start, HTTPStatus.SERVICE_UNAVAILABLE if problem else HTTPStatus.OK, problem or "ok")

    def _stuck(self) -> str | None:
        silent = time.monotonic() - self._worker.last_turn
        return f"the worker's loop has stood still for {silent:.0f} s" if silent > _STUCK else None

    def _away(self) -> str | None:
        try:
            self._redis.ping()
        except redis.RedisError as error:  # its own text may quote a password
            return str(cause_of(error))
        return None


class Gauges(Collector):
    """Gauges of the worker and of its queue, read at each scrape.

    Every worker of a queue gives the same values of the queue: use ``max`` over them, not ``sum``.
    """

    def __init__(self, worker: Watched, connection: redis.Redis, queue: str) -> None:
        self._worker = worker
        self._redis = connection
        self._queue = queue

    def collect(self) -> Iterator[Metric]:
        """Read the worker and the queue. Without Redis there are no values of the queue."""
        is_open = float(self._worker.held_because is not None)
        yield GaugeMetricFamily(
            "botlive_breaker_open", "1 while the circuit breaker is open, else 0.", is_open
        )
        try:
            found = status.read(self._redis, self._queue, with_reasons=False)
        except redis.RedisError:
            return
        yield GaugeMetricFamily("botlive_waiting_events", "Events on the queue.", found.waiting)
        yield GaugeMetricFamily("botlive_claimed_events", "Events that workers hold.", found.started)
        yield GaugeMetricFamily("botlive_apart_events", "Events that wait apart.", found.apart)
        failed = sum(found.failed.values())
        yield GaugeMetricFamily("botlive_failed_registry_events", "Events in the failed registry.", failed)
        age = found.oldest or 0.0
        yield GaugeMetricFamily("botlive_oldest_event_seconds", "Age of the oldest event that waits.", age)
        workers = GaugeMetricFamily("botlive_workers", "Workers of the queue, by state.", labels=["state"])
        for state in ("working", "held", "suspended", "dead"):
            workers.add_metric([state], sum(worker.state == state for worker in found.workers))
        yield workers


def serve(worker: Watched, settings: HealthSettings) -> None:
    """Answer on the host and port of the settings, in a daemon thread; nothing if they name no port.

    Raises:
        CannotListen: the port is taken, or the address is not this machine's.
    """
    if settings.port is None:
        return
    connection = client(settings.redis_url, socket_timeout=_ANSWER, socket_connect_timeout=_ANSWER)
    REGISTRY.register(Gauges(worker, connection, settings.queue))
    try:
        server = make_server(settings.host, settings.port, Health(worker, connection), _Server, _Silent)
    except OSError as error:
        why = error.strerror or "refused"
        raise CannotListen(settings.host, settings.port, why, _SETTINGS) from None
    Thread(target=server.serve_forever, name="health", daemon=True).start()


class _Server(ThreadingWSGIServer):
    """Listens on an address of IPv6 too. A name with both kinds of address gets that of IPv4."""

    def __init__(self, place: tuple[str, int], handler: type[WSGIRequestHandler]) -> None:
        families = {found[0] for found in socket.getaddrinfo(*place, type=socket.SOCK_STREAM)}
        self.address_family = socket.AF_INET if socket.AF_INET in families else socket.AF_INET6
        super().__init__(place, handler)


class _Silent(WSGIRequestHandler):
    def log_message(self, *_: object) -> None:
        """Log no request: a probe comes every few seconds."""


def _answer(start: _Start, code: HTTPStatus, words: str) -> list[bytes]:
    start(f"{code.value} {code.phrase}", [("Content-Type", "text/plain; charset=utf-8")])
    return [f"{printable(words)}\n".encode()]
