"""The job of a published event: written without RQ, and readable by RQ as a plain job."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import fakeredis
import pytest
from hypothesis import given
from hypothesis import strategies as st

from events import (
    Event,
    Item,
    LiveToggled,
    OrderCompleted,
    PaymentIssue,
    PaymentValidated,
    Publisher,
    parse_event,
)
from events.contracts import own_fields
from events.publishing.keys import COUNTER
from tests import strategies
from tests.replies import octets

pytest.importorskip("rq")

from redis import Redis
from rq import Queue
from rq.job import Job, JobStatus
from rq.registry import FailedJobRegistry
from rq.serializers import JSONSerializer
from rq.worker import SimpleWorker

_PHONE = "+2250700000000"
_EVENTS: list[Event] = [
    PaymentValidated(company_id="shop", user_id=_PHONE, amount=2000, reference="WAVE-123"),
    PaymentIssue(company_id="shop", user_id=_PHONE, issue_type="payment_insufficient", message="Bonjour Awa"),
    OrderCompleted(
        company_id="shop",
        user_id=_PHONE,
        customer_name="Awa Koné",
        total_amount=12000.5,
        items=(Item(name="Pagne", quantity=2, price=6000.25),),
        zone="Yopougon",
        phone=_PHONE,
    ),
    LiveToggled(company_id="shop", enabled=True),
]
_every_type = pytest.mark.parametrize("event", _EVENTS, ids=lambda event: event.type)


@pytest.fixture
def redis() -> fakeredis.FakeStrictRedis:
    """A Redis server of this test."""
    return fakeredis.FakeStrictRedis(server=fakeredis.FakeServer())


@pytest.fixture
def queue(redis: fakeredis.FakeStrictRedis) -> Queue:
    """The queue as RQ reads it."""
    return Queue("botlive", connection=redis, serializer=JSONSerializer)


def _fetch(event: Event, redis: Redis) -> Job:
    return Job.fetch(str(event.event_id), connection=redis, serializer=JSONSerializer)


@_every_type
def test_rq_reads_the_job(redis: fakeredis.FakeStrictRedis, event: Event) -> None:
    """RQ reads the job: its id is the event's id, and it calls our function with the event."""
    before = datetime.now(UTC)
    Publisher(redis, within=10).publish(event)
    after = datetime.now(UTC)

    job = _fetch(event, redis)
    assert job.id == str(event.event_id)
    assert job.func_name == "worker.job.persist"
    assert job.instance is None
    assert job.args == [event.content()]
    assert job.kwargs == {}
    assert job.get_status() is JobStatus.QUEUED
    assert job.origin == "botlive"
    assert job.failure_ttl == -1
    assert job.ttl is None
    assert job.retries_left is None
    assert job.meta == {}
    assert job.description == event.type
    assert before <= job.created_at <= after
    assert job.started_at is None
    assert job.ended_at is None


@_every_type
def test_a_waiting_job_never_expires(redis: fakeredis.FakeStrictRedis, event: Event) -> None:
    """No key but the publisher's counter has a time to live: an event may wait without limit."""
    Publisher(redis, within=10).publish(event)
    keys: list[Any] = redis.keys()
    keys = [key for key in keys if not key.startswith(COUNTER.encode())]
    assert len(keys) >= 3
    assert {redis.ttl(key) for key in keys} == {-1}


@_every_type
def test_only_the_arguments_hold_the_event(redis: fakeredis.FakeStrictRedis, event: Event) -> None:
    """Everything that RQ lists or logs, except the arguments, has only the event's type."""
    Publisher(redis, within=10).publish(event)
    shown = redis.hgetall(f"rq:job:{event.event_id}")
    del shown[b"data"]
    for value in own_fields(event.content()).values():
        for text in (str(value), json.dumps(value)):
            assert len(text) < 5 or text.encode() not in b" ".join(map(octets, shown.values()))


def test_rq_finds_the_queue(redis: fakeredis.FakeStrictRedis) -> None:
    """RQ lists the queue under the name that the publisher uses."""
    Publisher(redis, queue="other", within=10).publish(_EVENTS[0])
    assert [queue.name for queue in Queue.all(connection=redis)] == ["other"]
    job = Job.fetch(str(_EVENTS[0].event_id), connection=redis, serializer=JSONSerializer)
    assert job.origin == "other"


def test_rq_takes_the_jobs_in_their_order(redis: fakeredis.FakeStrictRedis, queue: Queue) -> None:
    """A worker gets the events in the order in which they were published."""
    Publisher(redis, within=10).publish_many(_EVENTS)
    assert [job.args[0] for job in queue.get_jobs()] == [event.content() for event in _EVENTS]
    taken = [Queue.dequeue_any([queue], None, connection=redis, serializer=JSONSerializer) for _ in _EVENTS]
    assert [pair[0].id for pair in taken if pair] == [str(event.event_id) for event in _EVENTS]
    assert queue.is_empty()


@_every_type
def test_the_call_is_written_as_rq_writes_it(queue: Queue, event: Event) -> None:
    """The data equals that of RQ's own enqueue of the same call."""
    Publisher(queue.connection, within=10).publish(event)
    ours = _fetch(event, queue.connection)
    theirs = queue.enqueue("worker.job.persist", event.content())
    assert json.loads(ours.data) == json.loads(theirs.data)


@given(event=strategies.events(st.just("shop")))
def test_an_event_arrives_as_it_was_published(event: Event) -> None:
    """The worker reads the same event with the same digest, whatever its content."""
    redis = fakeredis.FakeStrictRedis(server=fakeredis.FakeServer())
    Publisher(redis, within=10).publish(event)
    (argument,) = _fetch(event, redis).args
    arrived = parse_event(json.dumps(argument))
    assert arrived == event
    assert arrived.digest() == event.digest()


class _Persist:
    """A fake of the job function, which fails as long as the test says so."""

    def __init__(self) -> None:
        self.failing = False
        self.persisted: list[Any] = []

    def __call__(self, payload: dict[str, Any]) -> None:
        if self.failing:
            raise RuntimeError
        self.persisted.append(payload)


@pytest.fixture
def persist(monkeypatch: pytest.MonkeyPatch) -> _Persist:
    """The job function, under the name that RQ imports."""
    stand_in = _Persist()
    monkeypatch.setattr("worker.job.persist", stand_in)
    return stand_in


@pytest.fixture
def work(queue: Queue) -> Callable[[], None]:
    """Let a stock worker run all waiting jobs."""

    def run() -> None:
        SimpleWorker([queue], connection=queue.connection, serializer=JSONSerializer).work(
            burst=True, logging_level=None
        )

    return run


def test_a_stock_worker_does_the_job(queue: Queue, persist: _Persist, work: Callable[[], None]) -> None:
    """A stock worker calls the function once for each event, in order, and keeps no job for ever."""
    Publisher(queue.connection, within=10).publish_many(_EVENTS)
    work()
    assert persist.persisted == [event.content() for event in _EVENTS]
    assert all(queue.connection.ttl(key) > 0 for key in queue.connection.keys("rq:job:*"))
    assert queue.is_empty()


@pytest.mark.parametrize("failures", [1, 2])
def test_a_failed_event_is_published_again(
    queue: Queue, persist: _Persist, work: Callable[[], None], failures: int
) -> None:
    """A failed event that is published again leaves the failed registry, and succeeds at the next run."""
    event = _EVENTS[0]
    registry = FailedJobRegistry(queue=queue)
    publisher = Publisher(queue.connection, within=10)

    persist.failing = True
    for _ in range(failures):
        publisher.publish(event)
        work()
        assert registry.get_job_ids() == [str(event.event_id)]
        assert _fetch(event, queue.connection).get_status() is JobStatus.FAILED

    publisher.publish(event)
    assert registry.get_job_ids() == []
    assert queue.job_ids == [str(event.event_id)]
    assert _fetch(event, queue.connection).get_status() is JobStatus.QUEUED

    persist.failing = False
    work()
    assert persist.persisted == [event.content()]
    assert _fetch(event, queue.connection).get_status() is JobStatus.FINISHED


def test_an_event_published_again_after_a_stock_worker_waits_for_ever(
    queue: Queue, persist: _Persist, work: Callable[[], None]
) -> None:
    """An event that is published again does not expire with the finished job of the stock worker."""
    event = _EVENTS[0]
    publisher = Publisher(queue.connection, within=10)
    publisher.publish(event)
    work()
    publisher.publish(event)
    assert queue.connection.ttl(f"rq:job:{event.event_id}") == -1


def test_a_failed_event_that_rq_requeued_is_published_again(
    queue: Queue, persist: _Persist, work: Callable[[], None]
) -> None:
    """After RQ has rewritten the hash at a requeue, the publisher still recognises the event."""
    event = _EVENTS[0]
    registry = FailedJobRegistry(queue=queue)
    publisher = Publisher(queue.connection, within=10)
    persist.failing = True
    publisher.publish(event)
    work()
    registry.requeue(str(event.event_id))
    work()
    assert registry.get_job_ids() == [str(event.event_id)]

    publisher.publish(event)

    assert registry.get_job_ids() == []
    assert queue.job_ids == [str(event.event_id)]


def test_an_event_published_again_while_it_runs(queue: Queue) -> None:
    """An event that is published again while it runs is not given to a second worker."""
    event = _EVENTS[0]
    publisher = Publisher(queue.connection, within=10)
    publisher.publish(event)
    taken = Queue.dequeue_any([queue], None, connection=queue.connection, serializer=JSONSerializer)
    assert taken
    taken[0].set_status(JobStatus.STARTED)

    assert publisher.publish(event) == event.event_id

    assert queue.is_empty()
    assert _fetch(event, queue.connection).get_status() is JobStatus.STARTED


def test_another_event_under_a_failed_ones_id(
    queue: Queue, persist: _Persist, work: Callable[[], None]
) -> None:
    """A failed event stays in the registry if another event has its id; the other reaches the worker."""
    event = _EVENTS[0]
    assert isinstance(event, PaymentValidated)
    other = PaymentValidated(**{**event.content(), "amount": 1})
    publisher = Publisher(queue.connection, within=10)
    persist.failing = True
    publisher.publish(event)
    work()
    persist.failing = False

    publisher.publish(other)
    work()

    assert persist.persisted == [other.content()]
    assert FailedJobRegistry(queue=queue).get_job_ids() == [str(event.event_id)]
    assert _fetch(event, queue.connection).args == [event.content()]
