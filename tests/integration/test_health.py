"""A worker's HTTP endpoints: its metrics, whether it lives, and whether it can persist."""

import math
import socket
import time
from collections.abc import Iterator
from wsgiref.util import setup_testing_defaults

import fakeredis
import httpx
import pytest
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from gateway.settings import HealthSettings
from operations.health import Gauges, Health, serve
from tests.integration.line import BOTLIVE_WORKER, Line, until
from tests.make import PHONE, order, payment


class Worker:
    """A worker that can stand still and hold."""

    def __init__(self) -> None:
        self.last_turn = time.monotonic()
        self.held_because: str | None = None


@pytest.fixture
def redis() -> Iterator[fakeredis.FakeStrictRedis]:
    """An empty Redis that can go away."""
    made = fakeredis.FakeStrictRedis(server=fakeredis.FakeServer())
    yield made
    made.close()


def ask(health: Health, path: str) -> tuple[int, str]:
    """The status code and the text of an answer."""
    environ: dict[str, object] = {"PATH_INFO": path}
    setup_testing_defaults(environ)
    said: list[str] = []
    body = b"".join(health(environ, lambda status, headers: said.append(status)))
    return int(said[0].split()[0]), body.decode().strip()


def test_a_worker_that_can_persist_is_alive_and_ready(redis: fakeredis.FakeStrictRedis) -> None:
    """Both answers are 200; any other path is 404."""
    health = Health(Worker(), redis)
    assert ask(health, "/healthz") == (200, "ok")
    assert ask(health, "/readyz") == (200, "ok")
    assert ask(health, "/other")[0] == 404


def test_a_worker_that_holds_lives_but_is_not_ready(redis: fakeredis.FakeStrictRedis) -> None:
    """A restart would not help: only ``/readyz`` says 503, with the reason on one line."""
    worker = Worker()
    worker.held_because = "the key is not\x1b admitted"
    health = Health(worker, redis)
    assert ask(health, "/healthz")[0] == 200
    assert ask(health, "/readyz") == (503, "the key is not? admitted")


def test_without_redis_it_is_not_ready(redis: fakeredis.FakeStrictRedis) -> None:
    """The cause is said in words that hold no password."""
    redis.connection_pool.connection_kwargs["server"].connected = False
    health = Health(Worker(), redis)
    assert ask(health, "/healthz")[0] == 200
    assert ask(health, "/readyz")[0] == 503


def test_a_loop_that_stands_still_is_not_alive(redis: fakeredis.FakeStrictRedis) -> None:
    """After a minute; a suspended worker stands still on purpose, and lives."""
    worker = Worker()
    worker.last_turn -= 90
    assert ask(Health(worker, redis), "/healthz") == (503, "the worker's loop has stood still for 90 s")
    worker.last_turn = math.inf
    assert ask(Health(worker, redis), "/healthz")[0] == 200


def test_the_gauges_show_the_queue(redis: fakeredis.FakeStrictRedis) -> None:
    """What waits, what failed, who works, and whether the breaker is open."""
    redis.rpush("rq:queue:botlive", "one", "two")
    redis.zadd("rq:failed:botlive", {"a": 1, "b": 2, "c": 3})
    worker, registry = Worker(), CollectorRegistry()
    worker.held_because = "away"
    registry.register(Gauges(worker, redis, "botlive"))
    values = found(generate_latest(registry).decode())
    assert values["botlive_waiting_events"] == 2
    assert values["botlive_failed_registry_events"] == 3
    assert values["botlive_breaker_open"] == 1
    redis.connection_pool.connection_kwargs["server"].connected = False
    assert found(generate_latest(registry).decode()) == {"botlive_breaker_open": 1}


def found(text: str) -> dict[str, float]:
    """The values by name and labels."""
    samples = (sample for family in text_string_to_metric_families(text) for sample in family.samples)
    return {
        " ".join([name, *(labels[label] for label in sorted(labels, reverse=True))]): value
        for name, labels, value, *_ in samples
    }


def test_a_real_worker_counts_what_it_does(line: Line) -> None:
    """Events by type and result, failures by reason, calls; no label names a customer or a shop."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = int(listener.getsockname()[1])
    line.environment["BOTLIVE_METRICS_PORT"] = str(port)
    company_id, uuid = line.shop()
    line.publisher.publish_many([payment(company_id), order(company_id), payment("nobody-knows-it")])
    with line.worker():
        until(
            lambda: (
                len(line.rows([uuid]).activities) == 2 and line.redis.zcard(f"rq:failed:{line.name}") == 1
            ),
            60,
        )
        text = httpx.get(f"http://127.0.0.1:{port}/metrics", timeout=30).text
        assert httpx.get(f"http://127.0.0.1:{port}/readyz", timeout=30).status_code == 200
    values = found(text)
    assert values["botlive_events_total payment_validated persisted"] == 1
    assert values["botlive_events_total order_completed persisted"] == 1
    assert values["botlive_events_total payment_validated unknown_company"] == 1
    assert values["botlive_failed_events_total UnknownCompany"] == 1
    assert values["botlive_call_seconds_count"] >= 1
    assert values["botlive_workers working"] == 1
    assert not any(private in text for private in (PHONE, company_id, "nobody-knows-it"))


def test_a_port_that_is_taken_ends_the_start_with_its_cure(line: Line) -> None:
    """The worker prints one line with the cure and ends with exit code 1."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        line.environment["BOTLIVE_METRICS_PORT"] = str(listener.getsockname()[1])
        done = line.run(*BOTLIVE_WORKER)
    assert done.returncode == 1
    assert "cannot listen on 127.0.0.1" in done.stderr
    assert "BOTLIVE_METRICS_PORT to a free port" in done.stderr


@pytest.mark.parametrize(
    ("host", "asked"), [("127.0.0.1", "127.0.0.1"), ("::1", "[::1]"), ("localhost", "127.0.0.1")]
)
def test_it_answers_on_ipv4_and_ipv6(monkeypatch: pytest.MonkeyPatch, host: str, asked: str) -> None:
    """Some platforms have private networks of IPv6 only; a name with both addresses means that of IPv4."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        with socket.create_server((host, 0), family=family) as free:
            port = free.getsockname()[1]
    except OSError:
        pytest.skip("this machine has no IPv6")
    monkeypatch.setattr("operations.health.REGISTRY", CollectorRegistry())
    serve(Worker(), HealthSettings(host=host, port=port))
    assert httpx.get(f"http://{asked}:{port}/healthz", trust_env=False).text == "ok\n"
