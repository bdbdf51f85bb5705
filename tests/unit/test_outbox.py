"""The outbox keeps events that Redis does not confirm, and they are delivered when Redis is back."""

import asyncio
import os
import signal
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import fakeredis
import pytest

from events import PaymentIssue, Publisher, PublishError
from events.errors import OutboxFailed, OutboxFull
from events.publishing.call import Call
from events.publishing.coalescer import Group
from events.publishing.outbox import Outbox
from tests.make import payment
from tests.replies import text
from tests.unit.waiting import until

QUEUE = "rq:queue:botlive"


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """The courier retries soon."""
    monkeypatch.setattr("events.publishing.courier.PAUSE", 0.05)


@pytest.fixture
def server() -> fakeredis.FakeServer:
    """A Redis that can be disconnected."""
    return fakeredis.FakeServer()


@pytest.fixture
def redis(server: fakeredis.FakeServer) -> fakeredis.FakeStrictRedis:
    """A connection to it."""
    return fakeredis.FakeStrictRedis(server=server)


@pytest.fixture
def outbox(tmp_path: Path) -> Outbox:
    """An outbox with a temporary file."""
    return Outbox(tmp_path / "outbox" / "events.db", limit=10)


@pytest.fixture
def publisher(redis: fakeredis.FakeStrictRedis, outbox: Outbox) -> Iterator[Publisher]:
    """A publisher with that outbox."""
    with Publisher(redis, outbox=outbox, within=5) as made:
        yield made


def waiting(redis: fakeredis.FakeStrictRedis) -> list[str]:
    """Return the ids on the queue."""
    return [text(job_id) for job_id in redis.lrange(QUEUE, 0, -1)]


def test_what_redis_does_not_confirm_is_delivered_when_it_is_back(
    server: fakeredis.FakeServer, redis: fakeredis.FakeStrictRedis, publisher: Publisher, outbox: Outbox
) -> None:
    """``publish`` returns the id during an outage. Afterwards each event is on the queue once, in order."""
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
    """A new process delivers the events of a crashed one; it needs only the file."""
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
    """After a failure other calls use the outbox for a second, without waiting for Redis."""
    tries: list[int] = []
    put = publisher._queue.put_groups

    def counted(groups: Sequence[Group]) -> Sequence[PublishError | None]:
        tries.append(1)
        return put(groups)

    monkeypatch.setattr(publisher._sender, "_handle", counted)
    monkeypatch.setattr(publisher._courier, "_start", lambda: None)
    server.connected = False
    for _ in range(5):
        publisher.publish(payment())
    assert len(tries) == 1
    assert len(outbox) == 5


def test_a_full_outbox_says_so(server: fakeredis.FakeServer, publisher: Publisher, outbox: Outbox) -> None:
    """The event is refused with OutboxFull, and no part of it is kept."""
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
    """The start logs it while Redis takes the events; publishing fails if Redis is unreachable too."""
    path = tmp_path / "no database"
    path.write_text("something else, and long enough to be looked at as the header of a file" * 20)
    publisher = Publisher(redis, outbox=Outbox(path), within=10)
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
    """Without an outbox the caller gets the error, so no event is lost silently."""
    server.connected = False
    with pytest.raises(PublishError):
        Publisher(redis).publish(payment())


def test_two_processes_share_the_file(outbox: Outbox) -> None:
    """Events that a child process adds are in the parent's outbox too."""
    outbox.add([[Call.of(payment())]])
    child = os.fork()
    if child == 0:
        outbox.add([[Call.of(payment())]])
        os._exit(0)
    os.waitpid(child, 0)
    assert len(outbox) == 2


def test_what_is_kept_survives_the_process(outbox: Outbox) -> None:
    """When ``add`` returns, another reader finds the events in the file."""
    call = Call.of(payment())
    outbox.add([[call]])
    reader = sqlite3.connect(outbox.path)
    assert reader.execute("select event_id, data from waiting").fetchall() == [(call.own_id, call.data)]
    reader.close()
    assert [kept for _, kept in outbox.oldest(5)] == [call]


def test_the_loops_own_threads_are_left_alone(
    server: fakeredis.FakeServer, publisher: Publisher, outbox: Outbox
) -> None:
    """Many concurrent calls use the publisher's threads and not those of the event loop."""
    server.connected = False

    async def many() -> None:
        await asyncio.gather(*(publisher.apublish(payment()) for _ in range(10)))
        assert getattr(asyncio.get_running_loop(), "_default_executor", None) is None

    asyncio.run(many())
    assert len(outbox) == 10


def kept(outbox: Outbox) -> list[str]:
    """Return the ids in the file, the oldest first."""
    return [call.own_id for _, call in outbox.oldest(1000)]


def test_a_number_is_never_used_again(outbox: Outbox) -> None:
    """A slow courier must not remove an event that was added after those that it has delivered."""
    outbox.add([[Call.of(payment())]])
    numbers = [number for number, _ in outbox.oldest(5)]
    outbox.remove(numbers)
    later = Call.of(payment())
    outbox.add([[later]])
    outbox.remove(numbers)
    assert kept(outbox) == [later.own_id]


def test_groups_are_kept_whole_or_not_at_all(outbox: Outbox) -> None:
    """A group that does not fit is refused. The groups before and after it are kept."""
    groups = [[Call.of(payment()) for _ in range(size)] for size in (8, 3, 2)]
    answers = outbox.add(groups)
    assert [type(answer) for answer in answers] == [type(None), OutboxFull, type(None)]
    assert kept(outbox) == [call.own_id for call in (*groups[0], *groups[2])]


def test_there_is_room_again_when_some_are_delivered(outbox: Outbox) -> None:
    """Removed events make room for the same number of new ones."""
    outbox.add([[Call.of(payment()) for _ in range(10)]])
    outbox.remove([number for number, _ in outbox.oldest(4)])
    answers = outbox.add([[Call.of(payment())] for _ in range(5)])
    assert [type(answer) for answer in answers] == [type(None)] * 4 + [OutboxFull]
    assert len(outbox) == 10


def _large() -> PaymentIssue:
    return PaymentIssue(company_id="shop", user_id="1", issue_type="amount", message="x" * 60_000)


def test_the_file_is_bounded_by_bytes_too(outbox: Outbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """Large events may fill the file early: then OutboxFull is raised, and the kept events are delivered."""
    monkeypatch.setattr("events.publishing.outbox._PAGES", 40)
    large = [_large() for _ in range(5)]
    answers = [outbox.add([[Call.of(event)]])[0] for event in large]
    assert [type(answer) for answer in answers] == [type(None)] * 2 + [OutboxFull] * 3
    assert outbox.path.stat().st_size <= 40 * 4096
    assert kept(outbox) == [str(event.event_id) for event in large[:2]]
    outbox.remove([number for number, _ in outbox.oldest(5)])
    assert outbox.add([[Call.of(large[2])]]) == [None]


def test_only_its_owner_may_read_the_file(outbox: Outbox) -> None:
    """The file contains phone numbers, so only its owner may read it."""
    outbox.add([[Call.of(payment())]])
    assert [path.stat().st_mode & 0o077 for path in outbox.path.parent.iterdir()] == [0]


def test_an_older_file_and_what_lies_beside_it_become_private(tmp_path: Path) -> None:
    """Existing files of the outbox become private, but no file of another program and no target of a link."""
    path = tmp_path / "out[b]ox.db"
    Outbox(path).add([[Call.of(payment())]])
    link = tmp_path / "link.db"
    link.symlink_to(path)
    ours = [
        path,
        *(tmp_path / f"{path.name}{end}" for end in ("-wal", "-shm", "-journal", ".1", "~", ".bak")),
    ]
    others = [tmp_path / "other.db", tmp_path / "outbox.db", tmp_path / f"{path.name}2"]
    for file in [*ours, *others]:
        file.touch()
        file.chmod(0o755)
    (tmp_path / f"{path.name}.link").symlink_to(others[0])
    (tmp_path / f"{path.name}.d").mkdir(mode=0o755)
    assert len(Outbox(link)) == 1
    assert {file.stat().st_mode & 0o777 for file in ours if file.exists()} == {0o600}
    assert {file.stat().st_mode & 0o777 for file in others} == {0o755}
    assert (tmp_path / f"{path.name}.d").stat().st_mode & 0o777 == 0o755


def test_a_file_of_another_user_is_told_and_used(
    outbox: Outbox, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """If the mode of the file cannot be changed, one line says who must do it, and events are kept."""
    outbox.add([[Call.of(payment())]])
    outbox.path.chmod(0o644)

    def refuse(*_: object) -> None:
        raise PermissionError

    monkeypatch.setattr(Path, "chmod", refuse)
    other = Outbox(outbox.path)
    assert other.add([[Call.of(payment())]]) == [None]
    assert len(other) == 2
    assert ["others can read" in line for line in caplog.messages] == [True]


@pytest.mark.parametrize("content", [b"not a database" * 400, b"SQLite format 3\0" + bytes(500)])
def test_a_file_that_is_no_outbox_fails_aloud(tmp_path: Path, content: bytes) -> None:
    """Adding and counting raise OutboxFailed; a count of 0 would be wrong."""
    path = tmp_path / "outbox.db"
    path.write_bytes(content)
    assert [type(answer) for answer in Outbox(path).add([[Call.of(payment())]])] == [OutboxFailed]
    publisher = Publisher(fakeredis.FakeStrictRedis(), outbox=Outbox(path))
    with pytest.raises(OutboxFailed):
        _ = publisher.waiting
    publisher.close()


def test_a_directory_that_takes_no_file_fails_aloud(tmp_path: Path) -> None:
    """A path that cannot be a directory raises OutboxFailed, not OSError."""
    (tmp_path / "file").write_text("")
    assert [type(error) for error in Outbox(tmp_path / "file" / "outbox.db").add([[]])] == [OutboxFailed]


@pytest.fixture
def locked(outbox: Outbox) -> Iterator[Outbox]:
    """Lock the file in another process."""
    outbox.add([])
    holder = sqlite3.connect(outbox.path, isolation_level=None)
    holder.execute("begin exclusive")
    yield outbox
    holder.close()


def test_a_locked_file_keeps_nobody_waiting(
    server: fakeredis.FakeServer, redis: fakeredis.FakeStrictRedis, locked: Outbox
) -> None:
    """OutboxFailed is raised while the file is still locked, in both ways of publishing."""
    server.connected = False
    with Publisher(redis, outbox=locked) as publisher:
        with pytest.raises(OutboxFailed):
            publisher.publish(payment())
        with pytest.raises(OutboxFailed):
            asyncio.run(publisher.apublish(payment()))


def test_a_file_that_hangs_keeps_nobody_waiting(
    server: fakeredis.FakeServer,
    redis: fakeredis.FakeStrictRedis,
    outbox: Outbox,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """OutboxFailed is raised while it hangs. If the file accepts the event later, it is still delivered."""
    released = threading.Event()
    add = outbox.add
    monkeypatch.setattr(outbox, "add", lambda groups: (released.wait(), add(groups))[1])
    server.connected = False
    begun, waits = payment(), payment()
    with Publisher(redis, outbox=outbox) as publisher:
        for event in (begun, waits):
            with pytest.raises(OutboxFailed):
                publisher.publish(event)
        server.connected = True
        released.set()
        until(lambda: waiting(redis) == [str(begun.event_id)])
        until(lambda: publisher.waiting == 0)
    assert waiting(redis) == [str(begun.event_id)]


def test_a_busy_process_lets_others_in(outbox: Outbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that writes without a pause does not block the others."""
    monkeypatch.setattr("events.publishing.outbox._PATIENCE", 10)  # the machine may be busy too
    outbox.limit = 100_000
    outbox.add([])
    writer = os.fork()
    if writer == 0:
        while True:
            outbox.add([[Call.of(payment())]])
    try:
        answers = [outbox.add([[Call.of(payment())]])[0] for _ in range(40)]
    finally:
        os.kill(writer, signal.SIGKILL)
        os.waitpid(writer, 0)
    assert answers == [None] * 40


def test_a_relative_name_is_that_of_the_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A host that changes its working directory still uses the same file."""
    monkeypatch.chdir(tmp_path)
    outbox = Outbox.named("outbox.db")
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    outbox.add([[Call.of(payment())]])
    assert (tmp_path / "outbox.db").exists()


@pytest.mark.slow
def test_processes_that_make_the_file_together(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Several processes may create the file at the same time."""
    monkeypatch.setattr("events.publishing.outbox._PATIENCE", 10)  # so that none gives up on a busy machine
    for number in range(5):
        outbox = Outbox(tmp_path / str(number) / "outbox.db")
        at = time.monotonic() + 0.02
        children = [_child(lambda: outbox.add([[Call.of(payment())]]), at) for _ in range(6)]  # noqa: B023
        assert [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children] == [0] * 6
        assert len(outbox) == 6


def _patiently(outbox: Outbox) -> Sequence[PublishError | None]:
    """Retry, because the busy thread may be faster a few times."""
    tries = (outbox.add([[Call.of(payment())]]) for _ in range(10))
    return next((answers for answers in tries if answers == [None]), [OutboxFailed()])


def _child(add: Callable[[], Sequence[PublishError | None]], at: float) -> int:
    child = os.fork()
    if child == 0:
        signal.alarm(20)
        while time.monotonic() < at:
            pass
        os._exit(0 if add() == [None] else 1)
    return child


@pytest.mark.slow
def test_a_fork_while_another_thread_has_the_file_open(outbox: Outbox) -> None:
    """A forked child can use the file, because it has no locks that are never released."""
    outbox.limit = 100_000
    ended = threading.Event()

    def busy() -> None:
        while not ended.is_set():
            outbox.add([[Call.of(payment())]])

    thread = threading.Thread(target=busy)
    thread.start()
    try:
        for _ in range(15):
            child = _child(lambda: _patiently(outbox), 0)
            assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    finally:
        ended.set()
        thread.join()


def test_what_comes_while_the_courier_ends_is_delivered(
    server: fakeredis.FakeServer,
    redis: fakeredis.FakeStrictRedis,
    outbox: Outbox,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """An event that is kept just after the courier's last read is still delivered."""
    looked, go_on = threading.Event(), threading.Event()
    oldest = outbox.oldest

    def look(most: int) -> list[tuple[int, Call]]:
        found = oldest(most)
        if not found:
            looked.set()
            go_on.wait(10)
        return found

    monkeypatch.setattr(outbox, "oldest", look)
    server.connected = False
    with Publisher(redis, outbox=outbox, within=5) as publisher:
        first, second = payment(), payment()
        publisher.publish(first)
        server.connected = True
        assert looked.wait(10)
        publisher._away_until = time.monotonic() + 10
        publisher.publish(second)
        go_on.set()
        until(lambda: waiting(redis) == [str(first.event_id), str(second.event_id)])


def test_a_caller_who_is_cancelled_leaves_his_event_to_the_courier(
    server: fakeredis.FakeServer,
    redis: fakeredis.FakeStrictRedis,
    outbox: Outbox,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """If the caller's task is cancelled while the event is being kept, it is still delivered."""
    released, adding = threading.Event(), threading.Event()
    add = outbox.add
    event = payment()
    server.connected = False

    def held(groups: Sequence[Group]) -> Sequence[PublishError | None]:
        adding.set()
        released.wait(10)
        return add(groups)

    monkeypatch.setattr(outbox, "add", held)

    async def chat(publisher: Publisher) -> None:
        publisher._away_until = time.monotonic() + 10
        task = asyncio.create_task(publisher.apublish(event))
        await asyncio.sleep(0)
        assert adding.wait(5)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    with Publisher(redis, outbox=outbox, within=5) as publisher:
        asyncio.run(chat(publisher))
        server.connected = True
        released.set()
        until(lambda: waiting(redis) == [str(event.event_id)])


def test_why_events_wait_is_said_once(
    server: fakeredis.FakeServer, publisher: Publisher, caplog: pytest.LogCaptureFixture
) -> None:
    """The log names the cause once, without the content of the events."""
    server.connected = False
    for _ in range(3):
        publisher.publish(payment())
    until(lambda: "events wait in the outbox: the connection to Redis failed" in caplog.text)
    time.sleep(0.2)
    server.connected = True
    until(lambda: publisher.waiting == 0)
    assert caplog.text.count("events wait") == 1
    assert "+2250700000000" not in caplog.text


def test_an_empty_outbox_is_not_worth_a_line(
    server: fakeredis.FakeServer, publisher: Publisher, outbox: Outbox, caplog: pytest.LogCaptureFixture
) -> None:
    """Nothing is logged if nothing was delivered, but a logged outage ends with a line in each process."""
    caplog.set_level("INFO")
    assert publisher._courier
    publisher._courier._deliver()
    assert caplog.messages == []
    server.connected = False
    publisher.publish(payment())
    until(lambda: "events wait" in caplog.text)
    outbox.remove([number for number, _ in outbox.oldest(1)])  # as another process does
    until(lambda: caplog.messages[-1] == "delivered 0 events from the outbox")
    server.connected = True
    outbox.add([[Call.of(payment())]])  # as an earlier process did
    publisher._courier._deliver()
    assert caplog.messages[-1] == "delivered 1 events from the outbox"


@pytest.mark.parametrize("unchecked", [False, True])
def test_every_way_of_publishing_is_kept(
    server: fakeredis.FakeServer, redis: fakeredis.FakeStrictRedis, publisher: Publisher, *, unchecked: bool
) -> None:
    """The outbox keeps events of every publishing method."""
    server.connected = False
    if unchecked:
        ids = [publisher.publish_unchecked("payment_validated", {"amount": "x"})]
        ids.append(asyncio.run(publisher.apublish_unchecked("unheard_of", {})))
    else:
        ids = [publisher.publish(payment()), asyncio.run(publisher.apublish(payment()))]
        ids += publisher.publish_many([payment(), payment()])
    assert publisher.waiting == len(ids)
    server.connected = True
    until(lambda: publisher.waiting == 0)
    assert waiting(redis) == [str(event_id) for event_id in ids]


def test_a_forked_child_delivers_what_it_kept(
    server: fakeredis.FakeServer,
    redis: fakeredis.FakeStrictRedis,
    outbox: Outbox,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A forked child has its own courier, and does not use its parent's."""
    server.connected = False
    monkeypatch.setattr("events.publishing.courier.PAUSE", 60)
    with Publisher(redis, outbox=outbox, within=5) as publisher:
        publisher.publish(payment())
        # The courier must be idle, because the locks of fakeredis do not survive a fork.
        until(lambda: "events wait in the outbox" in caplog.text)
        child = os.fork()
        if child == 0:
            code = 1
            signal.alarm(60)
            try:
                monkeypatch.setattr("events.publishing.courier.PAUSE", 0.01)
                publisher.publish(payment())
                server.connected = True  # the child's copy
                until(lambda: len(outbox) == 0)
                code = 0 if len(waiting(redis)) == 2 else 2
            finally:
                os._exit(code)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_a_file_that_another_process_is_just_making(outbox: Outbox) -> None:
    """If SQLite cannot change the journal mode yet, the event is kept in the old mode."""
    outbox.path.parent.mkdir()
    maker = sqlite3.connect(outbox.path, isolation_level=None, check_same_thread=False)
    maker.execute("create table other (n)")
    maker.execute("begin immediate")
    done = threading.Timer(0.05, maker.execute, ["commit"])
    done.start()
    assert outbox.add([[Call.of(payment())]]) == [None]
    done.join()
    maker.close()
    assert len(outbox) == 1


def test_an_event_that_redis_does_not_take_holds_up_no_other(
    server: fakeredis.FakeServer, redis: fakeredis.FakeStrictRedis, publisher: Publisher, outbox: Outbox
) -> None:
    """An event whose job key has another type waits, and the others are delivered."""
    server.connected = False
    events = [payment() for _ in range(3)]
    publisher.publish_many(events)
    server.connected = True
    redis.set(f"rq:job:{events[0].event_id}", "something else")
    until(lambda: len(outbox) == 1)
    assert waiting(redis) == [str(event.event_id) for event in events[1:]]
    assert [call.event_id for _, call in outbox.oldest(5)] == [events[0].event_id]


def test_a_courier_that_cannot_start_says_so(
    server: fakeredis.FakeServer,
    publisher: Publisher,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The process has too many threads: the event is kept, and delivered when a thread can be started."""
    start = threading.Thread.start

    def refused(self: threading.Thread) -> None:
        if self.name == "botlive-courier":
            raise RuntimeError("can't start new thread")
        start(self)

    server.connected = False
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", refused)
        publisher.publish(payment())
        until(lambda: "events wait in the outbox: the process cannot start another thread" in caplog.text)
    assert publisher.waiting == 1
    publisher.publish(payment())
    server.connected = True
    until(lambda: publisher.waiting == 0)
