"""Alerts: each problem is sent once, and once more at its end. A failed webhook affects nothing else."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import fakeredis
import httpx
import pytest
import redis
from pydantic import SecretStr
from structlog.testing import capture_logs

from events.publishing.keys import Keys
from gateway.errors import WaitsApart
from gateway.settings import AlertSettings
from operations.alerts.problem import Problem, outbox_problem
from operations.alerts.watch import AlertWatch
from operations.alerts.webhook import Message, Webhook
from tests.integration.line import Line, until
from tests.make import PHONE, payment
from worker.apart import Group, Kind

_SECRET = "https://hooks.slack.com/services/T0/B0/secret"  # noqa: S105 # invented


class Service:
    """A webhook that keeps what it gets, and can be dead."""

    def __init__(self) -> None:
        self.got: list[dict[str, Any]] = []
        self.status = 200

    def __call__(self, request: httpx.Request) -> httpx.Response:
        """Answer one request."""
        if self.status == 200:
            self.got.append(json.loads(request.content))
        return httpx.Response(self.status)

    @property
    def texts(self) -> list[str]:
        """The texts that came."""
        return [str(body["text"]) for body in self.got]


@pytest.fixture
def server() -> Iterator[redis.Redis]:
    """A Redis with one worker that is alive."""
    made = fakeredis.FakeStrictRedis(server=fakeredis.FakeServer())
    made.hset("rq:worker:botlive-one", mapping={"last_heartbeat": now(), "state": "idle"})
    made.sadd("rq:workers:botlive", "rq:worker:botlive-one")
    yield made
    made.close()


def now() -> str:
    """The present time, as RQ writes it."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def watch(server: redis.Redis, service: Service, **settings: Any) -> AlertWatch:
    """A watch on the queue, with that service behind its webhook."""
    made = AlertSettings(url=SecretStr(_SECRET), **settings)
    return AlertWatch(made, server, Webhook(_SECRET, httpx.MockTransport(service)))


def test_a_problem_is_sent_once_and_when_it_is_over(server: redis.Redis) -> None:
    """Two watches, three looks: one message that it began, one that it is over."""
    service = Service()
    first, second = watch(server, service), watch(server, service)
    first.look()
    assert service.texts == []
    server.zadd("rq:failed:botlive", {"gone": 1})
    for each in (first, second, first):
        each.look()
    assert service.texts == ["PROBLEM (botlive): 1 events failed: Gone; run `botlive failures`"]
    server.zadd("rq:failed:botlive", {"another": 1})
    first.look()
    server.delete("rq:failed:botlive")
    for each in (second, first, second):
        each.look()
    assert service.texts[1:] == ["OVER (botlive): 1 events failed: Gone; run `botlive failures`"]


def test_what_one_look_finds_is_one_message(server: redis.Redis) -> None:
    """A held worker, too few workers and an old event are lines of one message."""
    service = Service()
    server.hset("rq:worker:botlive-one", "held", f"the key is not admitted, call {PHONE}")
    server.hset("rq:job:old", "created_at", "2026-11-20T10:00:00.000000Z")
    server.rpush("rq:queue:botlive", "old")
    watch(server, service, workers=2).look()
    (text,) = service.texts
    assert [line.partition("): ")[2][:24] for line in text.splitlines()] == [
        "workers hold all events ",
        "the oldest event has wai",
        "1 workers are alive, 2 e",
    ]
    assert "call ***" in text
    assert PHONE not in json.dumps(service.got)


def test_an_event_that_waits_apart_is_not_late(server: redis.Redis) -> None:
    """It has an alert of its own. A second one would last, and hide that other shops' events wait."""
    service, keys = Service(), Keys("botlive")
    made = watch(server, service)
    for job in ("apart", "late"):
        server.hset(f"rq:job:{job}", "created_at", "2026-11-20T10:00:00.000000Z")
    kind = Kind("awa", "order_completed")
    server.hset(keys.apart, kind.label, Group.of(WaitsApart("no")).dump())
    server.rpush(keys.apart_queue(kind.event_type, kind.company_id), "apart")
    made.look()
    server.rpush(keys.queue, "late")
    made.look()
    assert ["oldest" in text for text in service.texts] == [False, True]
    assert "wait apart" in service.texts[0]


def test_a_dead_webhook_is_tried_again_and_its_secret_is_not_logged(server: redis.Redis) -> None:
    """What it did not take is sent at a later look; the log names no URL."""
    service = Service()
    service.status = 500
    made = watch(server, service)
    server.set("rq:queue:botlive", "x")
    with capture_logs() as log:
        made.look()
        made.look()
    assert [entry["reason"] for entry in log] == ["HTTP 500", "HTTP 500"]
    assert "secret" not in str(log)
    service.status = 200
    made.look()
    made.look()
    assert len(service.texts) == 1
    assert "rq:queue:botlive" in service.texts[0]


def test_redis_away_is_sent_by_the_watch_itself(server: redis.Redis) -> None:
    """Redis cannot keep that it was sent: the watch does, until Redis is back."""
    service = Service()
    made = watch(server, service)
    fake: Any = server
    fake.connection_pool.connection_kwargs["server"].connected = False
    made.look()
    made.look()
    fake.connection_pool.connection_kwargs["server"].connected = True
    made.look()
    assert [text.partition(" ")[0] for text in service.texts] == ["PROBLEM", "OVER"]


@pytest.mark.parametrize(
    ("url", "asked", "body"),
    [
        (_SECRET, _SECRET, {"text": "PROBLEM (q): late\nOVER (q): full"}),
        (
            "https://api.telegram.org/bot1:x/sendMessage?chat_id=-42",
            "https://api.telegram.org/bot1:x/sendMessage",
            {"chat_id": "-42", "text": "PROBLEM (q): late\nOVER (q): full"},
        ),
        (
            "https://example.test/hook?key=k",
            "https://example.test/hook?key=k",
            {"text": "PROBLEM (q): late\nOVER (q): full", "queue": "q", "begun": ["late"], "over": ["full"]},
        ),
    ],
)
def test_each_service_gets_its_own_form(url: str, asked: str, body: dict[str, Any]) -> None:
    """Slack a text, Telegram a chat and a text, any other service JSON with both."""
    requests: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        requests.append(request)
        return httpx.Response(200)

    assert Webhook(url, httpx.MockTransport(answer)).send(Message("q", ["late"], ["full"])) is None
    (request,) = requests
    assert (str(request.url), json.loads(request.content)) == (asked, body)


def test_an_outbox_is_a_problem_from_half_of_its_limit_on() -> None:
    """Below it is what a short outage brings."""
    assert outbox_problem(50, 100) is None
    assert isinstance(outbox_problem(51, 100), Problem)


def test_a_worker_sends_alerts_and_a_dead_webhook_does_not_harm_it(line: Line) -> None:
    """A real worker with an unreachable webhook persists its event and continues."""
    line.environment["BOTLIVE_ALERT_URL"] = "http://127.0.0.1:1/hook"
    company_id, uuid = line.shop()
    with line.worker() as process:
        line.publisher.publish_many([payment("nobody-knows-it"), payment(company_id)])
        until(lambda: bool(line.rows([uuid]).activities), 30)
        assert process.poll() is None
