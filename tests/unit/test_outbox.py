"""The outbox: what Redis does not confirm is kept, and delivered when it is back."""

import asyncio
import os
import sqlite3
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import fakeredis
import pytest

from events import PaymentValidated, Publisher, PublishError
from events.errors import OutboxFailed, OutboxFull
from events.job import Call
from events.outbox import Outbox

QUEUE = "rq:queue:botlive"


def payment() -> PaymentValidated:
    """A plain event."""
    return PaymentValidated(company_id="shop", user_id="+2250700000000", amount=1, reference="")


def until(condition: Callable[[], bool]) -> None:
    """Wait for it."""
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.01)


@pytest.fixture
def server() -> fakeredis.FakeServer:
    """A Redis that can be cut off."""
    return fakeredis.FakeServer()


@pytest.fixture
def redis(server: fakeredis.FakeServer) -> fakeredis.FakeStrictRedis:
    """A connection to it."""
    return fakeredis.FakeStrictRedis(server=server)


@pytest.fixture
def outbox(tmp_path: Path) -> Outbox:
    """A file of the test's own."""
    return Outbox(tmp_path / "outbox" / "events.db", limit=10)


@pytest.fixture
def publisher(redis: fakeredis.FakeStrictRedis, outbox: Outbox) -> Iterator[Publisher]:
    """With that outbox."""
    with Publisher(redis, outbox=outbox) as made:
        yield made


def waiting(redis: fakeredis.FakeStrictRedis) -> list[str]:
    """The ids on the queue."""
    return [job_id.decode() for job_id in redis.lrange(QUEUE, 0, -1)]


def test_what_redis_does_not_confirm_is_delivered_when_it_is_back(
    server: fakeredis.FakeServer, redis: fakeredis.FakeStrictRedis, publisher: Publisher, outbox: Outbox
) -> None:
    """Meanwhile publish answers with the id as ever; in the end each is on the queue, in order, once."""
    server.connected = False
    events = [payment() for _ in range(3)]
    assert [publisher.publish(event) for event in events] == [event.event_id for event in events]
    assert len(outbox) == 3
    server.connected = True
    until(lambda: len(outbox) == 0)
    assert waiting(redis) == [str(event.event_id) for event in events]


def test_the_next_process_delivers_what_a_crashed_one_left(
    server: fakeredis.FakeServer, redis: fakeredis.FakeStrictRedis, publisher: Publisher, outbox: Outbox
) -> None:
    """All it needs is the file."""
    server.connected = False
    event = payment()
    publisher.publish(event)
    publisher.close()
    server.connected = True
    with Publisher(redis, outbox=Outbox(outbox.path)):
        until(lambda: len(outbox) == 0)
    assert waiting(redis) == [str(event.event_id)]


def test_while_redis_is_away_nobody_waits_for_it_twice(
    server: fakeredis.FakeServer, publisher: Publisher, outbox: Outbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After one failure the others go to the outbox at once for a second."""
    tries: list[int] = []
    put = publisher._queue.put_groups
    monkeypatch.setattr(publisher._sender, "_handle", lambda groups: (tries.append(1), put(groups))[1])
    monkeypatch.setattr(publisher._courier, "_set_out", lambda: None)
    server.connected = False
    for _ in range(5):
        publisher.publish(payment())
    assert len(tries) == 1
    assert len(outbox) == 5


def test_a_full_outbox_says_so(server: fakeredis.FakeServer, publisher: Publisher, outbox: Outbox) -> None:
    """The event is refused aloud and nothing of it is kept."""
    server.connected = False
    publisher.publish_many(payment() for _ in range(10))
    with pytest.raises(OutboxFull):
        publisher.publish(payment())
    assert len(outbox) == 10


def test_an_outbox_that_cannot_be_written_says_so(
    server: fakeredis.FakeServer,
    redis: fakeredis.FakeStrictRedis,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """At the start in the log, while Redis takes the events; aloud once Redis is away too."""
    path = tmp_path / "no database"
    path.write_text("something else, and long enough to be looked at as the header of a file" * 20)
    publisher = Publisher(redis, outbox=Outbox(path))
    assert "cannot be opened" in caplog.text
    event = payment()
    publisher.publish(event)
    assert waiting(redis) == [str(event.event_id)]
    server.connected = False
    with pytest.raises(OutboxFailed):
        publisher.publish(payment())


def test_without_an_outbox_the_failure_is_the_callers(
    server: fakeredis.FakeServer, redis: fakeredis.FakeStrictRedis
) -> None:
    """As before: nothing is dropped in silence."""
    server.connected = False
    with pytest.raises(PublishError):
        Publisher(redis).publish(payment())


def test_two_processes_share_the_file(outbox: Outbox) -> None:
    """What a child adds, the parent finds, beside its own."""
    outbox.add([[Call.of(payment())]])
    child = os.fork()
    if child == 0:
        outbox.add([[Call.of(payment())]])
        os._exit(0)
    os.waitpid(child, 0)
    assert len(outbox) == 2


def test_what_is_kept_survives_the_process(outbox: Outbox) -> None:
    """It is in the file when add returns, as another reader sees."""
    call = Call.of(payment())
    outbox.add([[call]])
    reader = sqlite3.connect(outbox.path)
    assert reader.execute("select event_id, data from waiting").fetchall() == [(call.own_id, call.data)]
    reader.close()
    assert [kept for _, kept in outbox.oldest(5)] == [call]


def test_the_loops_own_threads_are_left_alone(
    server: fakeredis.FakeServer, publisher: Publisher, outbox: Outbox
) -> None:
    """Many calls at once use the publisher's threads, and all are kept."""
    server.connected = False

    async def many() -> None:
        await asyncio.gather(*(publisher.apublish(payment()) for _ in range(10)))
        assert getattr(asyncio.get_running_loop(), "_default_executor", None) is None

    asyncio.run(many())
    assert len(outbox) == 10
