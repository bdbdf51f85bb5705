"""The publisher: an event is on the queue when ``publish`` returns; otherwise it raises."""

import asyncio
import json
import socket
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Iterator
from concurrent.futures import wait
from pathlib import Path
from typing import Any
from uuid import UUID

import fakeredis
import pytest
import redis as client

from events import (
    BotliveError,
    Event,
    LiveToggled,
    PaymentValidated,
    Publisher,
    PublisherClosed,
    PublishError,
    parse_event,
)
from events.publishing.publisher import WITHIN
from tests.replies import text

_ROOT = Path(__file__).parents[2]
_PHONE = "+2250712345678"
_SECRET = "hunter2hunter2"  # noqa: S105


@pytest.fixture
def server() -> fakeredis.FakeServer:
    """A Redis that can be disconnected."""
    return fakeredis.FakeServer()


@pytest.fixture
def redis(server: fakeredis.FakeServer) -> fakeredis.FakeStrictRedis:
    """A connection to it."""
    return fakeredis.FakeStrictRedis(server=server)


@pytest.fixture
def publisher(redis: fakeredis.FakeStrictRedis) -> Iterator[Publisher]:
    """A publisher with a long time limit, because the simulated Redis is slow."""
    with Publisher(redis, within=10) as made:
        yield made


def _payment(amount: float = 2000, **fields: Any) -> PaymentValidated:
    return PaymentValidated(
        **{"company_id": "shop", "user_id": _PHONE, "amount": amount, "reference": "", **fields}
    )


def _queued(redis: fakeredis.FakeStrictRedis, queue: str = "botlive") -> list[str]:
    """Return the ids of the waiting jobs, the oldest first."""
    return [text(job_id) for job_id in redis.lrange(f"rq:queue:{queue}", 0, -1)]


def _waiting(redis: fakeredis.FakeStrictRedis, queue: str = "botlive") -> list[Event]:
    """Return the waiting events as a worker would read them."""
    jobs = [redis.hget(f"rq:job:{job_id}", "data") for job_id in _queued(redis, queue)]
    return [parse_event(json.dumps(json.loads(text(data))[2][0])) for data in jobs]


def test_publish_answers_with_the_events_id(redis: fakeredis.FakeStrictRedis, publisher: Publisher) -> None:
    """``publish`` returns the event's id, which is also the id of the job, the order and the session."""
    event = _payment()
    assert publisher.publish(event) == event.event_id
    assert _queued(redis) == [str(event.event_id)]
    assert _waiting(redis) == [event]


def test_publish_writes_to_the_queue_that_it_was_given(redis: fakeredis.FakeStrictRedis) -> None:
    """A publisher with another queue writes only to that queue."""
    event = _payment()
    Publisher(redis, queue="other", within=10).publish(event)
    assert _waiting(redis, "other") == [event]
    assert _queued(redis) == []
    assert redis.smembers("rq:queues") == {b"rq:queue:other"}


def test_an_event_published_again_while_it_waits(
    redis: fakeredis.FakeStrictRedis, publisher: Publisher
) -> None:
    """A waiting event that is published again stays one job at the same place."""
    first, second = _payment(), _payment()
    publisher.publish_many([first, second])
    again = parse_event(first.model_dump_json())

    assert publisher.publish(again) == first.event_id

    assert _queued(redis) == [str(first.event_id), str(second.event_id)]
    assert len(redis.keys("rq:job:*")) == 2


def test_an_event_published_again_after_it_was_done(
    redis: fakeredis.FakeStrictRedis, publisher: Publisher
) -> None:
    """An event whose job is done is queued again; a worker then finds it in the inbox."""
    event = _payment()
    publisher.publish(event)
    redis.flushall()
    publisher.publish(event)
    assert _waiting(redis) == [event]


def test_other_events_under_the_id_of_one_that_waits(
    redis: fakeredis.FakeStrictRedis, publisher: Publisher
) -> None:
    """Other events with the same id are queued too and overwrite nothing. A worker refuses them."""
    first = _payment(1)
    others: list[Event] = [
        _payment(2, event_id=first.event_id),
        _payment(3, event_id=first.event_id),
        LiveToggled(event_id=first.event_id, company_id="shop", enabled=True),
    ]
    publisher.publish(first)
    before = redis.hgetall(f"rq:job:{first.event_id}")

    for other in others:
        assert publisher.publish(other) == first.event_id

    assert redis.hgetall(f"rq:job:{first.event_id}") == before
    assert _waiting(redis) == [first, *others]
    assert len({*_queued(redis)}) == 4
    assert all(job_id.startswith(str(first.event_id)) for job_id in _queued(redis))


def test_another_event_under_a_taken_id_published_again(
    redis: fakeredis.FakeStrictRedis, publisher: Publisher
) -> None:
    """Such an event is also one job, however often it is published."""
    first = _payment(1)
    other = _payment(2, event_id=first.event_id)
    publisher.publish(first)
    for _ in range(3):
        publisher.publish(other)
    assert len(redis.keys("rq:job:*")) == 2
    assert _waiting(redis) == [first, other]


def test_events_under_one_id_published_together(
    redis: fakeredis.FakeStrictRedis, publisher: Publisher
) -> None:
    """In one call too, the first event gets the id, and the others are queued."""
    first, neighbour = _payment(1), _payment()
    other = _payment(2, event_id=first.event_id)
    ids = publisher.publish_many([first, other, neighbour])
    assert ids == [first.event_id, first.event_id, neighbour.event_id]
    assert sorted(event.digest() for event in _waiting(redis)) == sorted(
        event.digest() for event in (first, other, neighbour)
    )
    assert _queued(redis)[0] == str(first.event_id)


@pytest.mark.parametrize("number", [1, 2, 499, 500, 501, 1_203])
def test_publish_many_keeps_the_order(
    redis: fakeredis.FakeStrictRedis, publisher: Publisher, number: int
) -> None:
    """Any number of events is queued in the given order, each once."""
    events = [_payment(amount) for amount in range(number)]
    assert publisher.publish_many(iter(events)) == [event.event_id for event in events]
    assert _queued(redis) == [str(event.event_id) for event in events]
    assert len(redis.keys("rq:job:*")) == number


def test_publish_many_of_nothing(redis: fakeredis.FakeStrictRedis, publisher: Publisher) -> None:
    """Without an event nothing is written."""
    assert publisher.publish_many([]) == []
    assert redis.keys() == []


def test_publish_many_sends_hundreds_at_once(
    redis: fakeredis.FakeStrictRedis, publisher: Publisher, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A thousand events need only a few round trips."""
    trips: list[int] = []
    connection = redis.connection_pool.connection_class
    send = connection.send_packed_command

    def counted(*arguments: Any, **options: Any) -> Any:
        if threading.current_thread().name != "botlive-watch":  # publishers of other tests read theirs
            trips.append(1)
        return send(*arguments, **options)

    publisher.publish(_payment())
    monkeypatch.setattr(connection, "send_packed_command", counted)
    publisher.publish_many(_payment() for _ in range(1_000))
    assert 1 <= len(trips) <= 10


def test_a_restarted_server_has_forgotten_the_script(
    redis: fakeredis.FakeStrictRedis, publisher: Publisher
) -> None:
    """After NOSCRIPT the publisher loads the script again, and every event is queued once."""
    events = [_payment(amount) for amount in range(5)]
    publisher.publish(events[0])
    redis.script_flush()
    publisher.publish(events[1])
    redis.script_flush()
    publisher.publish_many(events[2:])
    assert _waiting(redis) == events


def test_a_closed_publisher_publishes_nothing(redis: fakeredis.FakeStrictRedis, publisher: Publisher) -> None:
    """Every publishing method raises after ``close``, which may be called twice."""
    publisher.close()
    publisher.close()
    with pytest.raises(PublisherClosed):
        publisher.publish(_payment())
    with pytest.raises(PublisherClosed):
        publisher.publish_many([_payment()])
    with pytest.raises(PublisherClosed):
        asyncio.run(publisher.apublish(_payment()))
    with pytest.raises(PublisherClosed):
        publisher.publish_unchecked("payment_validated", {})
    with pytest.raises(PublisherClosed):
        asyncio.run(publisher.apublish_unchecked("payment_validated", {}))
    assert redis.keys() == []


def test_a_closed_publisher_says_so() -> None:
    """The exception is a PublishError whose message is a sentence."""
    assert "closed" in str(PublisherClosed())
    assert issubclass(PublisherClosed, PublishError)
    assert issubclass(PublishError, BotliveError)


def test_a_publisher_closes_at_the_end_of_its_block(redis: fakeredis.FakeStrictRedis) -> None:
    """It is open inside ``with`` and closed after it, also if the block raised."""
    event = _payment()
    with Publisher(redis, within=10) as publisher:
        publisher.publish(event)
    with pytest.raises(PublisherClosed):
        publisher.publish(event)
    assert _waiting(redis) == [event]

    with pytest.raises(ZeroDivisionError), Publisher(redis) as publisher:
        raise ZeroDivisionError
    with pytest.raises(PublisherClosed):
        publisher.publish(event)


def _said(error: BaseException) -> str:
    """Return the text of the error as a log with a traceback would show it, with its causes."""
    return f"{error!s} {error!r} {''.join(traceback.format_exception(error))}"


def test_without_redis_the_event_may_not_be_published(
    server: fakeredis.FakeServer, redis: fakeredis.FakeStrictRedis, publisher: Publisher
) -> None:
    """PublishError is raised without the content of the event. It can be published again later."""
    event = _payment(reference="WAVE-9876543")
    server.connected = False
    with pytest.raises(PublishError, match="Publish the same event again") as failure:
        publisher.publish(event)
    assert not isinstance(failure.value, PublisherClosed)
    assert _PHONE not in _said(failure.value)
    assert "WAVE-9876543" not in _said(failure.value)

    server.connected = True
    publisher.publish(event)
    assert _waiting(redis) == [event]


@pytest.mark.parametrize("contested", [False, True])
def test_a_redis_that_refuses_says_nothing_of_the_event(
    redis: fakeredis.FakeStrictRedis, publisher: Publisher, *, contested: bool
) -> None:
    """A refused command raises PublishError, and its traceback has no personal data."""
    event = _payment(reference="WAVE-9876543")
    if contested:
        publisher.publish(_payment(event_id=event.event_id))
        redis.delete("rq:queue:botlive")
    redis.set("rq:queue:botlive", "a value where a list belongs")
    with pytest.raises(PublishError) as failure:
        publisher.publish_many([_payment(), event])
    assert _PHONE not in _said(failure.value)
    assert "WAVE-9876543" not in _said(failure.value)


def test_an_event_that_redis_refused_half_way_is_published_again(
    redis: fakeredis.FakeStrictRedis, publisher: Publisher
) -> None:
    """After a partly refused attempt the next one puts the event on the queue."""
    event = _payment()
    redis.set("rq:queue:botlive", "a value where a list belongs")
    with pytest.raises(PublishError):
        publisher.publish(event)
    redis.delete("rq:queue:botlive")

    publisher.publish(event)

    assert _waiting(redis) == [event]


def test_many_that_redis_refused_half_way_are_published_again(
    server: fakeredis.FakeServer, redis: fakeredis.FakeStrictRedis, publisher: Publisher
) -> None:
    """If Redis fails between two round trips, all events can be published again."""
    events = [_payment(amount) for amount in range(700)]

    def until_redis_goes() -> Iterator[Event]:
        for number, event in enumerate(events):
            server.connected = number < 600
            yield event

    with pytest.raises(PublishError):
        publisher.publish_many(until_redis_goes())
    server.connected = True
    assert publisher.publish_many(events) == [event.event_id for event in events]
    assert list(dict.fromkeys(_queued(redis))) == [str(event.event_id) for event in events]
    assert len(redis.keys("rq:job:*")) == 700


def test_the_password_of_redis_is_never_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """The error and its causes contain neither the password nor the event."""
    with socket.socket() as unheard:
        unheard.bind(("127.0.0.1", 0))
        port = unheard.getsockname()[1]
        monkeypatch.setenv("REDIS_URL", f"redis://chat:{_SECRET}@127.0.0.1:{port}/0")
        with Publisher.from_env() as publisher, pytest.raises(PublishError) as failure:
            publisher.publish(_payment())
    assert _SECRET not in _said(failure.value)
    assert _PHONE not in _said(failure.value)


def test_apublish_does_not_block_the_loop(
    redis: fakeredis.FakeStrictRedis, publisher: Publisher, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While the publisher waits for Redis, other tasks run."""
    gate = threading.Event()
    connection = redis.connection_pool.connection_class
    send = connection.send_packed_command

    def slow(*arguments: Any, **options: Any) -> Any:
        assert gate.wait(5), "the event loop was blocked"
        return send(*arguments, **options)

    monkeypatch.setattr(connection, "send_packed_command", slow)
    event = _payment()

    async def others() -> None:
        for _ in range(10):
            await asyncio.sleep(0.001)
        gate.set()

    async def chat() -> UUID:
        published, _ = await asyncio.gather(publisher.apublish(event), others())
        return published

    assert asyncio.run(chat()) == event.event_id
    assert _waiting(redis) == [event]


def test_apublish_of_many_at_once(redis: fakeredis.FakeStrictRedis, publisher: Publisher) -> None:
    """Concurrent calls each return their own id, and each event is queued once."""
    events = [_payment(amount) for amount in range(50)]

    async def chat() -> list[UUID]:
        return await asyncio.gather(*(publisher.apublish(event) for event in events))

    assert asyncio.run(chat()) == [event.event_id for event in events]
    assert sorted(_queued(redis)) == sorted(str(event.event_id) for event in events)


def test_apublish_fails_as_publish_does(server: fakeredis.FakeServer, publisher: Publisher) -> None:
    """``apublish`` raises the same error."""
    server.connected = False
    with pytest.raises(PublishError):
        asyncio.run(publisher.apublish(_payment()))


def test_threads_share_a_publisher(redis: fakeredis.FakeStrictRedis, publisher: Publisher) -> None:
    """Events that are published from many threads are each queued once."""
    events = [_payment(amount) for amount in range(200)]
    threads = [
        threading.Thread(target=lambda part=part: [publisher.publish(event) for event in part])
        for part in (events[n::8] for n in range(8))
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(_queued(redis)) == sorted(str(event.event_id) for event in events)


@pytest.mark.parametrize(("queue", "expected"), [(None, "botlive"), ("other", "other")])
def test_from_env(
    monkeypatch: pytest.MonkeyPatch, server: fakeredis.FakeServer, queue: str | None, expected: str
) -> None:
    """``REDIS_URL`` is the server, and ``BOTLIVE_QUEUE`` the queue, by default ``botlive``."""
    urls: list[str] = []

    def connect(url: str, **_: Any) -> fakeredis.FakeStrictRedis:
        urls.append(url)
        return fakeredis.FakeStrictRedis(server=server)

    monkeypatch.setattr(client.Redis, "from_url", connect)
    monkeypatch.setenv("REDIS_URL", "redis://somewhere:6380/3")
    monkeypatch.delenv("BOTLIVE_QUEUE", raising=False)
    if queue:
        monkeypatch.setenv("BOTLIVE_QUEUE", queue)
    event = _payment()
    with Publisher.from_env(within=10) as publisher:
        publisher.publish(event)
    assert urls == ["redis://somewhere:6380/3"]
    assert _waiting(fakeredis.FakeStrictRedis(server=server), expected) == [event]


def test_a_silent_redis_does_not_keep_the_chat_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    """If a server accepts the connection and never answers, ``publish`` raises."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        monkeypatch.setenv("REDIS_URL", f"redis://127.0.0.1:{silent.getsockname()[1]}/0")
        with Publisher.from_env() as publisher, pytest.raises(PublishError):
            publisher.publish(_payment())


def test_publishing_takes_a_quarter_of_a_second_at_most() -> None:
    """The default limit is what the docs promise; tests/integration/test_chat.py measures it."""
    assert WITHIN == 0.25


def test_the_chat_imports_little() -> None:
    """``import events`` imports neither RQ nor any part of the worker."""
    foreign = ("rq", "supabase", "httpx", "structlog", "psycopg", "handlers", "worker", "devstack", "sql")
    program = f"import sys, events; print([name for name in {foreign!r} if name in sys.modules])"
    ended = subprocess.run(
        [sys.executable, "-c", program], cwd=_ROOT, capture_output=True, text=True, check=True
    )
    assert ended.stdout.strip() == "[]"


def test_an_answer_that_a_busy_loop_hears_late_is_believed(
    redis: fakeredis.FakeStrictRedis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A confirmation counts even if a busy event loop handles the timeout first."""
    publisher = Publisher(redis, within=0.2)
    submit = publisher._sender.submit

    def submitted(calls: Any) -> Any:
        answer = submit(calls)
        wait([answer], 30)
        time.sleep(0.5)  # an error of another library
        return answer

    monkeypatch.setattr(publisher._sender, "submit", submitted)
    event = _payment()
    assert asyncio.run(publisher.apublish(event)) == event.event_id
    assert _waiting(redis) == [event]


def test_many_callers_have_a_traceback_each(server: fakeredis.FakeServer, publisher: Publisher) -> None:
    """A shared traceback would grow with each caller."""
    server.connected = False

    async def chat() -> list[Any]:
        calls = [publisher.apublish(_payment()) for _ in range(50)]
        return await asyncio.gather(*calls, return_exceptions=True)

    errors = asyncio.run(chat())
    assert len({id(error) for error in errors}) == 50
    assert max(len(traceback.extract_tb(error.__traceback__)) for error in errors) < 12
