"""The watch: events that Redis confirmed and forgot are published again, with one log line."""

import logging
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from unittest.mock import Mock

import fakeredis
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from redis import exceptions

from events import PaymentValidated, Publisher, PublishError
from events.publishing import watch as module
from events.publishing.call import Call
from events.publishing.memory import Memory
from events.publishing.outbox import Outbox
from events.publishing.queue import Queue
from events.publishing.watch import Watch
from tests.replies import text

QUEUE = "rq:queue:botlive"
Snapshot = dict[bytes, bytes]


@pytest.fixture
def server() -> fakeredis.FakeServer:
    """A Redis that can be disconnected."""
    return fakeredis.FakeServer()


@pytest.fixture
def redis(server: fakeredis.FakeServer) -> fakeredis.FakeStrictRedis:
    """A connection to it."""
    return fakeredis.FakeStrictRedis(server=server)


@pytest.fixture(autouse=True)
def _always(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each check reads the counter, and no background thread checks."""
    monkeypatch.setattr(module, "INTERVAL", 0.0)
    monkeypatch.setattr(Watch, "_begin", lambda self: None)


@pytest.fixture
def publisher(redis: fakeredis.FakeStrictRedis) -> Iterator[Publisher]:
    """A publisher to that Redis."""
    with Publisher(redis, within=10) as made:
        yield made


def payment() -> PaymentValidated:
    """Return an event."""
    return PaymentValidated(company_id="shop", user_id="+2250700000000", amount=1, reference="WAVE-99")


def publish(publisher: Publisher, number: int) -> list[str]:
    """Publish this number of events and return their ids."""
    return [str(publisher.publish(payment())) for _ in range(number)]


def queued(redis: fakeredis.FakeStrictRedis) -> list[str]:
    """Return the ids on the queue, the oldest first."""
    return [text(job_id) for job_id in redis.lrange(QUEUE, 0, -1)]


def remembered(redis: fakeredis.FakeStrictRedis) -> Snapshot:
    """Return all keys and values."""
    keys: list[bytes] = list(redis.scan_iter())
    return {key: redis.dump(key) or b"" for key in keys}


def forget(redis: fakeredis.FakeStrictRedis, known: Snapshot) -> None:
    """Replace all keys and values by these."""
    redis.flushall()
    for key, value in known.items():
        redis.restore(key, 0, value)


def test_what_redis_forgot_is_published_again(
    redis: fakeredis.FakeStrictRedis, publisher: Publisher, caplog: pytest.LogCaptureFixture
) -> None:
    """Forgotten events are published again in their order; one log line says so, without their content."""
    caplog.set_level(logging.DEBUG)
    left = publish(publisher, 2)
    known = remembered(redis)
    lost = publish(publisher, 3)
    forget(redis, known)
    assert publisher._watch.check()
    assert queued(redis) == [*left, *lost]
    assert not publisher._watch.check()
    assert [record.getMessage() for record in caplog.records] == [
        "Redis forgot 3 events that it had confirmed: they were published again"
    ]


@pytest.mark.parametrize("many", [False, True])
def test_the_next_answer_shows_it(
    redis: fakeredis.FakeStrictRedis, publisher: Publisher, *, many: bool
) -> None:
    """The next publication detects the loss without a check, for any number of events and connections."""
    known = remembered(redis)
    lost = publish(publisher, 3)
    forget(redis, known)
    events = [payment() for _ in range(3 if many else 1)]
    publisher.publish_many(events)
    assert publisher._watch._memory.forgotten(100)
    publisher._watch.check()
    assert {*queued(redis)} == {*lost, *(str(event.event_id) for event in events)}


def test_an_answer_that_is_lost_hides_nothing(
    redis: fakeredis.FakeStrictRedis, publisher: Publisher, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The counter stays behind until an answer arrives, so it cannot catch up unnoticed."""
    known = remembered(redis)
    lost = publish(publisher, 3)
    forget(redis, known)
    with monkeypatch.context() as patched:
        patched.setattr(Memory, "keep", lambda *_: None)
        publish(publisher, 5)
    publisher._watch.check()
    assert {*lost} <= {*queued(redis)}


def test_a_counter_that_is_lost_alone(
    redis: fakeredis.FakeStrictRedis, publisher: Publisher, caplog: pytest.LogCaptureFixture
) -> None:
    """If only the counter was deleted or evicted, no event is on the queue twice, and one line is logged."""
    ids = publish(publisher, 3)
    redis.delete(*redis.keys("botlive:published:*"))
    assert publisher._watch.check()
    assert not publisher._watch.check()
    assert queued(redis) == ids
    assert len(caplog.records) == 1


def test_all_queues_of_a_publisher_count_together(
    server: fakeredis.FakeServer, redis: fakeredis.FakeStrictRedis, tmp_path: Path
) -> None:
    """Events that the outbox delivered are watched too."""
    with Publisher(redis, within=10, outbox=Outbox(tmp_path / "outbox.db")) as publisher:
        server.connected = False
        (late,) = publish(publisher, 1)
        server.connected = True
        publisher.drain()
        redis.flushall()
        publisher._watch.check()
        assert queued(redis) == [late]
    assert len(redis.keys("botlive:published:*")) == 1


def test_many_that_are_sent_together_count_once(
    redis: fakeredis.FakeStrictRedis, publisher: Publisher
) -> None:
    """Only the last event is counted, because each count costs Redis a command."""
    publisher.publish_many(payment() for _ in range(30))
    publisher.publish(payment())
    (counter,) = redis.keys("botlive:published:*")
    assert redis.get(counter) == b"2"


def test_the_counter_goes_after_a_day(redis: fakeredis.FakeStrictRedis, publisher: Publisher) -> None:
    """The counter expires after a day without use, so an ended process leaves no key. A check is a use."""
    publish(publisher, 2)
    (counter,) = redis.keys("botlive:published:*")
    assert 86_000 < redis.ttl(counter) <= 86_400
    redis.expire(counter, 5)
    publisher._watch.check()
    assert redis.ttl(counter) > 86_000
    redis.expire(counter, 5)
    publish(publisher, 99)
    assert redis.ttl(counter) > 86_000


def test_a_counter_that_is_behind_goes_after_a_day_too(redis: fakeredis.FakeStrictRedis) -> None:
    """A counter that is no longer used expires too."""
    memory = Memory()
    queue = Queue(redis, "botlive", patience=5, memory=memory)
    queue.put([Call.of(payment())])
    counter = memory.mark[0]
    redis.delete(counter)
    queue.put([Call.of(payment())])
    assert redis.get(counter) == b"0"
    assert redis.ttl(counter) > 0


def test_one_that_redis_refuses_does_not_hold_up_the_others(
    redis: fakeredis.FakeStrictRedis, publisher: Publisher
) -> None:
    """A refused event waits while the others are published. It is published once Redis accepts it."""
    first, refused, last = publish(publisher, 3)
    redis.flushall()
    redis.set(f"rq:job:{refused}", "a value where a hash belongs")
    with pytest.raises(PublishError):
        publisher._watch.check()
    assert queued(redis) == [first, last]
    assert [call.own_id for call in publisher._watch._memory.forgotten(10)] == [refused]
    redis.delete(f"rq:job:{refused}")
    publisher._watch.check()
    assert queued(redis) == [first, last, refused]


def test_while_redis_is_away_it_waits(
    server: fakeredis.FakeServer,
    redis: fakeredis.FakeStrictRedis,
    publisher: Publisher,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Forgotten events wait until Redis is back, and the cause is logged once."""
    ids = publish(publisher, 3)
    redis.flushall()
    (last,) = publish(publisher, 1)
    server.connected = False
    for _ in range(3):
        assert not publisher._watch._has_missed()
    assert len(caplog.records) == 1
    assert caplog.text.count("wait to be published again") == 1
    server.connected = True
    assert publisher._watch._has_missed()
    assert queued(redis) == [last, *ids]


@pytest.mark.parametrize("known", [True, False])
def test_closing_keeps_what_is_in_doubt_in_the_outbox(
    server: fakeredis.FakeServer, redis: fakeredis.FakeStrictRedis, tmp_path: Path, *, known: bool
) -> None:
    """Events that Redis forgot, or may have forgotten, go to the outbox for the next process."""
    outbox = Outbox(tmp_path / "outbox.db")
    publisher = Publisher(redis, within=10, outbox=outbox)
    ids = publish(publisher, 3)
    redis.flushall()
    if known:
        publish(publisher, 1)
    server.connected = False
    publisher._watch._has_missed()
    publisher.close()
    assert [call.own_id for _, call in outbox.oldest(10)][:3] == ids
    server.connected = True
    with Publisher(redis, within=10, outbox=outbox) as following:
        following.drain()
    assert {*ids} <= {*queued(redis)}


def test_closing_without_an_outbox_says_what_is_in_doubt(
    server: fakeredis.FakeServer,
    redis: fakeredis.FakeStrictRedis,
    publisher: Publisher,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Without an outbox, their number is logged."""
    publish(publisher, 3)
    server.connected = False
    publisher._watch._has_missed()
    publisher.close()
    assert "has or may have forgotten 3 events" in caplog.text
    assert "WAVE-99" not in caplog.text


def test_closing_says_nothing_where_nothing_is_in_doubt(
    publisher: Publisher, caplog: pytest.LogCaptureFixture
) -> None:
    """Closing usually logs nothing."""
    publish(publisher, 3)
    publisher.close()
    assert caplog.records == []


class _Looking:
    """A publisher whose thread checks as often as possible."""

    def __init__(self, redis: fakeredis.FakeStrictRedis) -> None:
        self.memory = Memory()
        self.queue = Queue(redis, "botlive", patience=5, memory=self.memory)
        self.looks = threading.Semaphore(0)
        self.watch = Watch(self.memory, self.queue)
        check = self.queue.check_counter

        def counted() -> None:
            check()
            self.looks.release()

        self.queue.check_counter = counted  # type: ignore[method-assign]

    @property
    def threads(self) -> int:
        """The number of watch threads."""
        return sum(thread.name == "botlive-watch" for thread in threading.enumerate())


@pytest.fixture
def looking(redis: fakeredis.FakeStrictRedis, monkeypatch: pytest.MonkeyPatch) -> Iterator[_Looking]:
    """A publisher with a thread."""
    monkeypatch.undo()
    monkeypatch.setattr(module, "INTERVAL", 0.01)
    made = _Looking(redis)
    yield made
    made.watch.stop()


def _until(condition: Callable[[], bool]) -> None:
    for _ in range(1000):
        if condition():
            return
        threading.Event().wait(0.01)
    raise AssertionError("it did not happen in time")


def test_it_looks_while_something_is_young(
    redis: fakeredis.FakeStrictRedis, looking: _Looking, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One thread checks from the first event on, sleeps while no event is kept, and can be stopped."""
    before = looking.threads
    calls = [Call.of(payment()) for _ in range(3)]
    assert not looking.looks.acquire(timeout=0.05)
    looking.queue.put(calls[:1])
    looking.queue.put(calls[1:2])
    assert looking.looks.acquire(timeout=10)
    assert looking.threads == before + 1
    redis.flushall()
    _until(lambda: len(queued(redis)) == 2)
    with monkeypatch.context() as patched:
        patched.setattr("events.publishing.memory.YOUNG", -1.0)
        _until(lambda: looking.memory.is_empty and not looking.watch._young.is_set())
    while looking.looks.acquire(blocking=False):
        pass
    assert not looking.looks.acquire(timeout=0.05)
    looking.queue.put(calls[2:])
    assert looking.looks.acquire(timeout=10)
    looking.watch.stop()
    _until(lambda: looking.threads == before)


def test_it_looks_seldom_where_redis_forgets_again_and_again(
    looking: _Looking, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If Redis forgets repeatedly, checks become rare, so that not too many events are published again."""
    pauses: list[float] = []
    monkeypatch.setattr(module, "_LONGEST", 0.08)
    missed = iter([True, True, True, True, False, True])

    class _Ended(threading.Event):
        def wait(self, timeout: float | None = None) -> bool:
            pauses.append(timeout or 0)
            return len(pauses) > 6

    monkeypatch.setattr(looking.watch, "_ended", _Ended())
    monkeypatch.setattr(looking.watch, "_has_missed", lambda: next(missed))
    monkeypatch.setattr(Memory, "is_empty", False)
    looking.watch._young.set()
    looking.watch._run()
    assert pauses == [0.01, 0.02, 0.04, 0.08, 0.08, 0.01, 0.02]


def test_where_no_thread_can_be_started_publishing_goes_on(
    redis: fakeredis.FakeStrictRedis, looking: _Looking, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If no thread can be started, because the interpreter is ending, the event is still published."""

    def refused(self: threading.Thread) -> None:
        raise RuntimeError("can't create new thread at interpreter shutdown")

    monkeypatch.setattr(threading.Thread, "start", refused)
    looking.queue.put([Call.of(payment())])
    assert len(queued(redis)) == 1


def test_the_checks_keep_the_publishers_own_connection_open(
    publisher: Publisher, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A check uses the connection of the publications: after a pause the next event needs no new one."""
    monkeypatch.setattr(module, "INTERVAL", 0.0)
    publish(publisher, 1)
    [before] = publisher._queue._open
    publisher._watch.check()
    [after] = publisher._queue._open
    assert after.connection is before.connection
    assert after.since > before.since
    assert not publisher._background._open


def test_a_check_that_is_not_allowed_is_logged(
    publisher: Publisher, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The chat's user may lack GETEX: it publishes, but would not notice a loss. A lost connection passes."""
    publish(publisher, 1)
    for error in (exceptions.NoPermissionError("no"), exceptions.ConnectionError("lost")):
        refused = PublishError()
        refused.__cause__ = error
        monkeypatch.setattr(publisher._queue, "check_counter", Mock(side_effect=refused))
        for _ in range(2):
            publisher._watch._has_missed()
    [line] = [record.getMessage() for record in caplog.records]
    assert "cannot check whether Redis has forgotten events: the user of REDIS_URL lacks permissions" in line


STEPS = st.lists(
    st.sampled_from(["publish", "publish elsewhere", "lose an answer", "remember", "forget", "look"]),
    max_size=25,
)


@given(STEPS)
@settings(max_examples=60)
def test_in_any_order_of_things_nothing_confirmed_is_lost(steps: list[str]) -> None:
    """No event is lost if answers are lost and Redis returns to an earlier state at any time."""
    redis, memory = fakeredis.FakeStrictRedis(server=fakeredis.FakeServer()), Memory()
    queues = [Queue(redis, "botlive", patience=5, memory=memory) for _ in range(2)]
    watch = Watch(memory, queues[1])
    confirmed: set[str] = set()
    known = remembered(redis)
    for step in [*steps, "look"]:
        call = Call.of(payment())
        if step.startswith("publish"):
            queues[step == "publish"].put([call])
            confirmed.add(call.own_id)
        elif step == "lose an answer":
            keep, memory.keep = memory.keep, lambda *_: None  # type: ignore[method-assign]
            queues[0].put([call])
            memory.keep = keep  # type: ignore[method-assign]
        elif step == "remember":
            known = remembered(redis)
        elif step == "forget":
            forget(redis, known)
        else:
            watch.check()
            assert confirmed <= {*queued(redis)}
