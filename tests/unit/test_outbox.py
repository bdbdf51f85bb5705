"""The outbox: what Redis does not confirm is kept, and delivered when it is back."""

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
from events.publishing.publisher import WITHIN
from tests.make import payment
from tests.replies import text

QUEUE = "rq:queue:botlive"


def until(condition: Callable[[], bool]) -> None:
    """Wait for it."""
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.01)


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """The courier tries again soon."""
    monkeypatch.setattr("events.publishing.courier.PAUSE", 0.05)


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
    return [text(job_id) for job_id in redis.lrange(QUEUE, 0, -1)]


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


def kept(outbox: Outbox) -> list[str]:
    """The ids in the file, first come first."""
    return [call.own_id for _, call in outbox.oldest(1000)]


def test_a_number_is_never_used_again(outbox: Outbox) -> None:
    """A slower deliverer must not remove an event that came after those that it has delivered."""
    outbox.add([[Call.of(payment())]])
    numbers = [number for number, _ in outbox.oldest(5)]
    outbox.remove(numbers)
    later = Call.of(payment())
    outbox.add([[later]])
    outbox.remove(numbers)
    assert kept(outbox) == [later.own_id]


def test_groups_are_kept_whole_or_not_at_all(outbox: Outbox) -> None:
    """The one that does not fit is refused; those before and after it are kept."""
    groups = [[Call.of(payment()) for _ in range(size)] for size in (8, 3, 2)]
    answers = outbox.add(groups)
    assert [type(answer) for answer in answers] == [type(None), OutboxFull, type(None)]
    assert kept(outbox) == [call.own_id for call in (*groups[0], *groups[2])]


def test_there_is_room_again_when_some_are_delivered(outbox: Outbox) -> None:
    """As many as were removed."""
    outbox.add([[Call.of(payment()) for _ in range(10)]])
    outbox.remove([number for number, _ in outbox.oldest(4)])
    answers = outbox.add([[Call.of(payment())] for _ in range(5)])
    assert [type(answer) for answer in answers] == [type(None)] * 4 + [OutboxFull]
    assert len(outbox) == 10


def _large() -> PaymentIssue:
    return PaymentIssue(company_id="shop", user_id="1", issue_type="amount", message="x" * 60_000)


def test_the_file_is_bounded_by_bytes_too(outbox: Outbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """Large events fill it before they are many: that is said, what is kept stays, and can be delivered."""
    monkeypatch.setattr("events.publishing.outbox._PAGES", 40)
    large = [_large() for _ in range(5)]
    answers = [outbox.add([[Call.of(event)]])[0] for event in large]
    assert [type(answer) for answer in answers] == [type(None)] * 2 + [OutboxFull] * 3
    assert outbox.path.stat().st_size <= 40 * 4096
    assert kept(outbox) == [str(event.event_id) for event in large[:2]]
    outbox.remove([number for number, _ in outbox.oldest(5)])
    assert outbox.add([[Call.of(large[2])]]) == [None]


def test_only_its_owner_may_read_the_file(outbox: Outbox) -> None:
    """It holds customers' numbers."""
    outbox.add([[Call.of(payment())]])
    assert [path.stat().st_mode & 0o077 for path in outbox.path.parent.iterdir()] == [0]


def test_an_older_file_and_what_lies_beside_it_become_private(tmp_path: Path) -> None:
    """Its journal, its copies, whatever its name; not what is another's, nor what a link names."""
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
    """Its mode cannot be changed: once a line says who has to, and events are kept all the same."""
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
    """To whoever adds, and to whoever asks how much waits: 0 would be a lie."""
    path = tmp_path / "outbox.db"
    path.write_bytes(content)
    assert [type(answer) for answer in Outbox(path).add([[Call.of(payment())]])] == [OutboxFailed]
    publisher = Publisher(fakeredis.FakeStrictRedis(), outbox=Outbox(path))
    with pytest.raises(OutboxFailed):
        _ = publisher.waiting
    publisher.close()


def test_a_directory_that_takes_no_file_fails_aloud(tmp_path: Path) -> None:
    """A path that can be no directory is OutboxFailed and no OSError."""
    (tmp_path / "file").write_text("")
    assert [type(error) for error in Outbox(tmp_path / "file" / "outbox.db").add([[]])] == [OutboxFailed]


@pytest.fixture
def locked(outbox: Outbox) -> Iterator[Outbox]:
    """Another process has the file for itself, and does not let go."""
    outbox.add([])
    holder = sqlite3.connect(outbox.path, isolation_level=None)
    holder.execute("begin exclusive")
    yield outbox
    holder.close()


def test_a_locked_file_keeps_nobody_waiting(
    server: fakeredis.FakeServer, redis: fakeredis.FakeStrictRedis, locked: Outbox
) -> None:
    """OutboxFailed within the bound, blocking or not."""
    server.connected = False
    with Publisher(redis, outbox=locked) as publisher:
        for publish in (publisher.publish, lambda event: asyncio.run(publisher.apublish(event))):
            start = time.monotonic()
            with pytest.raises(OutboxFailed):
                publish(payment())
            assert time.monotonic() - start < WITHIN + 0.25


def test_a_file_that_hangs_keeps_nobody_waiting(
    server: fakeredis.FakeServer,
    redis: fakeredis.FakeStrictRedis,
    outbox: Outbox,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """OutboxFailed within the bound; what the file takes after all is delivered, though nobody waits."""
    released = threading.Event()
    add = outbox.add
    monkeypatch.setattr(outbox, "add", lambda groups: (released.wait(10), add(groups))[1])
    server.connected = False
    begun, waits = payment(), payment()
    with Publisher(redis, outbox=outbox) as publisher:
        for event in (begun, waits):
            start = time.monotonic()
            with pytest.raises(OutboxFailed):
                publisher.publish(event)
            assert time.monotonic() - start < WITHIN + 0.25
        server.connected = True
        released.set()
        until(lambda: waiting(redis) == [str(begun.event_id)])
        until(lambda: publisher.waiting == 0)
    assert waiting(redis) == [str(begun.event_id)]


def test_a_busy_process_lets_others_in(outbox: Outbox) -> None:
    """One that writes without a pause does not shut another out: but for a busy machine none fails."""
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
    assert answers.count(None) >= 38


def test_a_relative_name_is_that_of_the_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A host that changes its working directory later finds the same file."""
    monkeypatch.chdir(tmp_path)
    outbox = Outbox.named("outbox.db")
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    outbox.add([[Call.of(payment())]])
    assert (tmp_path / "outbox.db").exists()


def test_processes_that_make_the_file_together(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each finds it whole, whoever was first."""
    monkeypatch.setattr("events.publishing.outbox._PATIENCE", 10)  # on a busy machine none shall give up
    for number in range(5):
        outbox = Outbox(tmp_path / str(number) / "outbox.db")
        at = time.monotonic() + 0.02
        children = [_child(lambda: outbox.add([[Call.of(payment())]]), at) for _ in range(6)]  # noqa: B023
        assert [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children] == [0] * 6
        assert len(outbox) == 6


def _patiently(outbox: Outbox) -> Sequence[PublishError | None]:
    """The busy thread may be there first a few times, but not for ever."""
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


def test_a_fork_while_another_thread_has_the_file_open(outbox: Outbox) -> None:
    """The child can use the file: it has not taken over locks that nobody will ever give back."""
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
    """An event kept just after its last look is not left until something else fails."""
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
    with Publisher(redis, outbox=outbox) as publisher:
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
    """It was being kept when his task ended: it is delivered, and not left in the file."""
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

    with Publisher(redis, outbox=outbox) as publisher:
        asyncio.run(chat(publisher))
        server.connected = True
        released.set()
        until(lambda: waiting(redis) == [str(event.event_id)])


def test_why_events_wait_is_said_once(
    server: fakeredis.FakeServer, publisher: Publisher, caplog: pytest.LogCaptureFixture
) -> None:
    """The kind of failure, for whoever must mend it, without a word of the events."""
    server.connected = False
    for _ in range(3):
        publisher.publish(payment())
    until(lambda: "events wait in the outbox: the connection to Redis failed" in caplog.text)
    time.sleep(0.2)
    server.connected = True
    until(lambda: publisher.waiting == 0)
    assert caplog.text.count("events wait") == 1
    assert "+2250700000000" not in caplog.text


@pytest.mark.parametrize("unchecked", [False, True])
def test_every_way_of_publishing_is_kept(
    server: fakeredis.FakeServer, redis: fakeredis.FakeStrictRedis, publisher: Publisher, *, unchecked: bool
) -> None:
    """One, many, awaited, and what fits no contract."""
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
    server: fakeredis.FakeServer, redis: fakeredis.FakeStrictRedis, outbox: Outbox
) -> None:
    """Its parent's courier, which waits for Redis still, is no courier of the child's."""
    server.connected = False
    with Publisher(redis, outbox=outbox) as publisher:
        publisher.publish(payment())
        time.sleep(0.3)  # the courier rests between two tries: fakeredis' own locks survive no fork
        child = os.fork()
        if child == 0:
            code = 1
            signal.alarm(20)
            try:
                publisher.publish(payment())
                server.connected = True  # the child's own copy of it
                until(lambda: len(outbox) == 0)
                code = 0 if len(waiting(redis)) == 2 else 2
            finally:
                os._exit(code)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_a_file_that_another_process_is_just_making(outbox: Outbox) -> None:
    """Where SQLite cannot yet change the file's mode, the event is kept in the old one."""
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
    """Something else stands under its job's key: it waits on, the others are delivered."""
    server.connected = False
    events = [payment() for _ in range(3)]
    publisher.publish_many(events)
    server.connected = True
    redis.set(f"rq:job:{events[0].event_id}", "something else")
    until(lambda: len(outbox) == 1)
    assert waiting(redis) == [str(event.event_id) for event in events[1:]]
    assert [call.event_id for _, call in outbox.oldest(5)] == [events[0].event_id]
