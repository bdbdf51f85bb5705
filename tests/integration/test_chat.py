"""The publisher never hurts the chat: real servers that are away, slow, refuse, or come back elsewhere."""

import asyncio
import logging
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import pytest
import redis as client

from devstack.valkey import Valkey
from events import LiveToggled, PaymentValidated, Publisher, PublisherClosed, PublishError
from events.publishing.call import Call
from events.publishing.keys import COUNTER
from events.publishing.outbox import Outbox
from tests.children import ending
from tests.integration.line import BIN, until
from tests.make import payment

WITHIN = 0.6
"""Seconds that publishing may take here. A busy disk can need more than its share of the default."""
BOUND = WITHIN + 5
"""Seconds: what is promised, and what a busy machine may add. Without its limit a call takes longer."""

PHONE = "+2250700112233"
QUEUE = "rq:queue:botlive"
ELSEWHERE = "redis.shop.example"


class Chat:
    """A chat process's surroundings: a Redis of its own, and a file for the outbox."""

    def __init__(self, directory: Path, port: int) -> None:
        self.valkey = Valkey(directory / "valkey", port)
        self.outbox = Outbox(directory / "outbox.db")
        self.environment = {"REDIS_URL": self.valkey.url, "BOTLIVE_OUTBOX": str(self.outbox.path)}
        self.redis = client.Redis(port=port, decode_responses=True)
        self.stop: Callable[[], None] = lambda: None

    def queued(self) -> list[str]:
        """The ids on the queue, first come first."""
        waiting: Any = self.redis.lrange(QUEUE, 0, -1)
        return list(waiting)

    def clear(self) -> None:
        """Take all jobs away, but no counter: the publishers must not take them for forgotten."""
        keys: Any = self.redis.keys()
        self.redis.delete(*(key for key in keys if not key.startswith(COUNTER)))

    def run(self, *command: str) -> subprocess.CompletedProcess[str]:
        """A command in these surroundings."""
        environment = {**os.environ, **self.environment}
        return subprocess.run(
            command, env=environment, capture_output=True, text=True, timeout=30, check=False
        )

    def delivers(self, ids: list[str], seconds: float = 10) -> None:
        """In time nothing waits in the outbox, and each of these is on the queue once."""
        until(lambda: len(self.outbox) == 0, seconds)
        assert Counter(self.queued()) == Counter(ids)


@pytest.fixture
def chat(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Chat]:
    """A chat whose Redis is running."""
    made = Chat(tmp_path, free_port())
    for name, value in made.environment.items():
        monkeypatch.setenv(name, value)
    made.valkey.start()
    yield made
    made.stop()
    made.redis.close()
    made.valkey.kill()


@pytest.fixture
def publisher(chat: Chat) -> Iterator[Publisher]:
    """A publisher with an open connection, as in the chat."""
    yield from connected(chat, WITHIN)


@pytest.fixture
def patient(chat: Chat) -> Iterator[Publisher]:
    """A publisher with an open connection, whose calls a busy machine does not send to the outbox."""
    yield from connected(chat, 10)


def connected(chat: Chat, within: float) -> Iterator[Publisher]:
    """Yield a publisher with an open connection, and nothing on the queue."""
    with Publisher.from_env(within=within) as made:
        connect(made)
        chat.clear()
        yield made


def connect(publisher: Publisher) -> None:
    """Publish until Redis itself confirms an event. On a busy machine the first one may come too late."""

    def confirmed() -> bool:
        with suppress(PublishError):
            publisher.publish(payment())
            return publisher.waiting == 0
        return False

    until(confirmed, 30)


def free_port() -> int:
    """Return a port on which no server listens."""
    with socket.socket() as unheard:
        unheard.bind(("127.0.0.1", 0))
        return int(unheard.getsockname()[1])


def timed(call: Callable[[], Any]) -> float:
    """Return how many seconds the call takes."""
    start = time.monotonic()
    call()
    return time.monotonic() - start


# What may happen to a Redis, and how it is undone.


def _crash(chat: Chat) -> Callable[[], None]:
    chat.valkey.kill()
    return chat.valkey.start


def _freeze(chat: Chat) -> Callable[[], None]:
    [pid] = chat.valkey.pids
    os.kill(pid, signal.SIGSTOP)
    return lambda: os.kill(pid, signal.SIGCONT)


def _fill(chat: Chat) -> Callable[[], None]:
    chat.redis.config_set("maxmemory", 1)

    def mend() -> None:
        chat.redis.config_set("maxmemory", 0)

    return mend


def _lock_out(chat: Chat) -> Callable[[], None]:
    chat.redis.config_set("requirepass", "another")
    chat.redis.client_kill_filter(_type="normal", skipme=True)

    def mend() -> None:
        chat.redis.config_set("requirepass", "")

    return mend


def _degrade(chat: Chat) -> Callable[[], None]:
    chat.redis.replicaof("127.0.0.1", free_port())

    def mend() -> None:
        chat.redis.replicaof("NO", "ONE")

    return mend


def _impostor(answer: Callable[[socket.socket], None]) -> Callable[[Chat], Callable[[], None]]:
    """Another server on the same port, that treats each connection so."""

    def replace(chat: Chat) -> Callable[[], None]:
        chat.valkey.kill()
        server = socket.create_server(("127.0.0.1", chat.valkey.port), backlog=100)
        ended = threading.Event()
        served: list[socket.socket] = []

        def serve() -> None:
            with suppress(OSError):
                while not ended.is_set():
                    served.append(server.accept()[0])
                    threading.Thread(target=_until_gone, args=[answer, served[-1]], daemon=True).start()

        threading.Thread(target=serve, daemon=True).start()

        def mend() -> None:
            ended.set()
            for connection in (server, *served):
                with suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)
                connection.close()
            chat.valkey.start()

        return mend

    return replace


def _until_gone(answer: Callable[[socket.socket], None], connection: socket.socket) -> None:
    with suppress(OSError):
        while True:
            answer(connection)


def _drip(connection: socket.socket) -> None:
    time.sleep(0.05)
    connection.sendall(b"-")


def _load(connection: socket.socket) -> None:
    commands = connection.recv(65_536).count(b"*")
    connection.sendall(b"-LOADING Valkey is loading the dataset in memory\r\n" * commands)


def _say_nothing(connection: socket.socket) -> None:
    if not connection.recv(65_536):
        raise ConnectionError


def _crowd(chat: Chat) -> Callable[[], None]:
    """A server whose backlog is full: a new connection gets no answer at all."""
    chat.valkey.kill()
    server = socket.create_server(("127.0.0.1", chat.valkey.port), backlog=0)
    crowd = [socket.socket() for _ in range(8)]
    for one in crowd:
        one.setblocking(False)
        one.connect_ex(server.getsockname())

    def mend() -> None:
        for one in (*crowd, server):
            one.close()
        chat.valkey.start()

    return mend


FAULTS: dict[str, Callable[[Chat], Callable[[], None]]] = {
    "crashed": _crash,
    "frozen": _freeze,
    "out of memory": _fill,
    "wrong password": _lock_out,
    "read-only": _degrade,
    "silent": _impostor(_say_nothing),
    "dripping": _impostor(_drip),
    "loading": _impostor(_load),
    "crowded": _crowd,
}
_QUICK = ("crashed", "frozen", "out of memory")
_PARAMETERS = [pytest.param(fault, marks=[] if fault in _QUICK else pytest.mark.slow) for fault in FAULTS]


@pytest.mark.parametrize("fault", _PARAMETERS)
def test_a_redis_that_does_not_take_it(
    chat: Chat, publisher: Publisher, caplog: pytest.LogCaptureFixture, fault: str
) -> None:
    """Publish returns in time with an open connection and with none, and all arrives, once, afterwards."""
    caplog.set_level(logging.DEBUG)
    mend = FAULTS[fault](chat)
    events = [payment() for _ in range(5)]
    try:
        assert timed(lambda: publisher.publish(events[0])) < BOUND
        with Publisher.from_env(within=WITHIN) as unconnected:
            assert timed(lambda: unconnected.publish(events[1])) < BOUND
        assert timed(lambda: asyncio.run(publisher.apublish(events[2]))) < BOUND
        assert timed(lambda: publisher.publish_many(events[3:])) < BOUND
        assert len(chat.outbox) == publisher.waiting == 5
    finally:
        mend()
    chat.delivers([str(event.event_id) for event in events])
    assert PHONE not in caplog.text
    assert "WAVE-99" not in caplog.text


@pytest.mark.slow
@pytest.mark.parametrize("fault", FAULTS)
def test_without_an_outbox_it_is_said_in_time(
    chat: Chat, monkeypatch: pytest.MonkeyPatch, fault: str
) -> None:
    """PublishError, within the bound, with an open connection and with none, without a word of the event."""
    monkeypatch.delenv("BOTLIVE_OUTBOX")
    with Publisher.from_env(within=WITHIN) as publisher:
        connect(publisher)
        mend = FAULTS[fault](chat)
        try:
            for _ in range(2):
                start = time.monotonic()
                with pytest.raises(PublishError) as failure:
                    publisher.publish(payment())
                assert time.monotonic() - start < BOUND
                said = "".join(traceback.format_exception(failure.value))
                assert PHONE not in said
                assert "WAVE-99" not in said
        finally:
            mend()


def test_a_server_that_drips_its_answer(chat: Chat, monkeypatch: pytest.MonkeyPatch) -> None:
    """The bound is over the whole answer on an open connection, however the bytes come."""
    monkeypatch.delenv("BOTLIVE_OUTBOX")
    answers = iter([b":1\r\n"])

    def drip_later(connection: socket.socket) -> None:
        received = connection.recv(65_536)
        if not received:
            raise ConnectionError
        if b"EVALSHA" not in received:
            connection.sendall(b"+OK\r\n" * received.count(b"*"))
        elif answer := next(answers, None):
            connection.sendall(answer)
        else:
            for _ in range(100):
                connection.sendall(b"-")
                time.sleep(0.02)

    chat.stop = _impostor(drip_later)(chat)
    with Publisher(client.Redis(port=chat.valkey.port, protocol=2), within=2) as publisher:
        publisher.publish(payment())
        start = time.monotonic()
        with pytest.raises(PublishError):
            publisher.publish(payment())
        assert time.monotonic() - start < BOUND


def _names(monkeypatch: pytest.MonkeyPatch, look_up: Callable[[], int], host: str = ELSEWHERE) -> None:
    """The port on this machine to which that name leads, as the look-up says then."""
    real = socket.getaddrinfo

    def getaddrinfo(name: Any, port: Any, *arguments: Any, **options: Any) -> Any:
        if name == host:
            name, port = "127.0.0.1", look_up()
        return real(name, port, *arguments, **options)

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)


def test_a_name_look_up_that_hangs(chat: Chat, monkeypatch: pytest.MonkeyPatch) -> None:
    """Publish returns in time; what waited is delivered when the look-up ends."""
    answered = threading.Event()
    _names(monkeypatch, lambda: (answered.wait(20), chat.valkey.port)[1])
    monkeypatch.setenv("REDIS_URL", f"redis://{ELSEWHERE}/0")
    events = [payment() for _ in range(3)]
    try:
        with Publisher.from_env(within=WITHIN) as publisher:
            assert timed(lambda: publisher.publish(events[0])) < BOUND
            publisher._away_until = 0
            assert timed(lambda: publisher.publish(events[1])) < BOUND
            publisher._away_until = 0
            assert timed(lambda: asyncio.run(publisher.apublish(events[2]))) < BOUND
            assert publisher.waiting == 3
            answered.set()
            chat.delivers([str(event.event_id) for event in events])
    finally:
        answered.set()


@pytest.mark.slow
def test_a_process_ends_though_a_name_look_up_hangs(chat: Chat) -> None:
    """The end of the process does not wait for the threads of the publisher."""
    program = f"""
import socket, time
socket.getaddrinfo = lambda *_, **__: time.sleep(60)
from events import PaymentValidated, Publisher
publisher = Publisher.from_env()
publisher.publish(PaymentValidated(company_id="shop", user_id={PHONE!r}, amount=1, reference=""))
print(publisher.waiting, time.monotonic(), flush=True)
"""
    ended = chat.run(sys.executable, "-c", program)
    waiting, published = ended.stdout.split()
    assert (ended.returncode, waiting, ended.stderr) == (0, "1", "")
    assert time.monotonic() - float(published) < 20


@pytest.mark.slow
def test_a_failover_behind_a_name(chat: Chat, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """When the first server dies and its name leads to a second, the next publish goes there."""
    second = Valkey(tmp_path / "second", free_port())
    ports = [chat.valkey.port]
    _names(monkeypatch, lambda: ports[-1])
    monkeypatch.setenv("REDIS_URL", f"redis://{ELSEWHERE}/0")
    event = payment()
    second.start()
    try:
        with Publisher.from_env(within=WITHIN) as publisher, client.Redis(port=second.port) as there:
            connect(publisher)
            ports.append(second.port)
            chat.valkey.kill()
            assert timed(lambda: publisher.publish(event)) < BOUND
            until(lambda: there.lrange(QUEUE, 0, -1) == [str(event.event_id).encode()], 5)
            until(lambda: len(chat.outbox) == 0, 5)
    finally:
        second.kill()


@pytest.mark.parametrize("how", ["restarted", "killed"])
def test_a_connection_that_the_server_closed(chat: Chat, patient: Publisher, how: str) -> None:
    """The next publish opens another at once: nothing takes the way over the outbox."""
    first = payment()
    patient.publish(first)
    if how == "restarted":
        chat.valkey.restart()
    else:
        assert chat.redis.client_kill_filter(_type="normal", skipme=True)
    event = payment()
    assert timed(lambda: patient.publish(event)) < BOUND
    assert patient.waiting == 0
    assert chat.queued() == [str(first.event_id), str(event.event_id)]


def test_a_client_without_time_limits(chat: Chat) -> None:
    """A publisher on the host's own client holds the bound too, and recovers from a frozen server."""
    with (
        client.Redis(port=chat.valkey.port, socket_timeout=None, socket_connect_timeout=None) as connection,
        Publisher(connection, outbox=chat.outbox) as publisher,
    ):
        connect(publisher)
        chat.clear()
        thaw = _freeze(chat)
        event = payment()
        try:
            assert timed(lambda: publisher.publish(event)) < BOUND
        finally:
            thaw()
        chat.delivers([str(event.event_id)])


@pytest.mark.slow
@pytest.mark.parametrize("timeout", [None, 5])
def test_one_connection_serves_all_publishes(chat: Chat, timeout: float | None) -> None:
    """None is opened for a publish where one is idle, whatever the client's own time limits."""
    with (
        client.Redis(port=chat.valkey.port, socket_timeout=timeout) as connection,
        Publisher(connection, within=5) as publisher,
    ):
        publisher.publish(payment())
        before = chat.redis.info("stats")["total_connections_received"]
        for _ in range(20):
            publisher.publish(payment())
        assert chat.redis.info("stats")["total_connections_received"] == before
        assert chat.redis.llen(QUEUE) == 21


async def _longest_pause(stop: asyncio.Event) -> float:
    """Return the longest delay of the event loop: how much longer a short sleep takes."""
    longest = 0.0
    while not stop.is_set():
        start = time.monotonic()
        await asyncio.sleep(0.005)
        longest = max(longest, time.monotonic() - start - 0.005)
    return longest


async def _watched(callers: list[Any]) -> tuple[list[Any], float]:
    stop = asyncio.Event()
    watch = asyncio.create_task(_longest_pause(stop))
    results = await asyncio.gather(*callers)
    stop.set()
    return results, await watch


@pytest.mark.slow
def test_two_hundred_callers_while_redis_hangs(chat: Chat) -> None:
    """All return in time, everything is in the outbox once, each caller's events in order; the loop runs."""
    publisher = Publisher.from_env(within=5)  # a busy machine needs longer for so many
    pairs = [(payment(), payment()) for _ in range(200)]

    async def caller(pair: tuple[PaymentValidated, PaymentValidated]) -> float:
        longest = 0.0
        for event in pair:
            start = time.monotonic()
            assert await publisher.apublish(event) == event.event_id
            longest = max(longest, time.monotonic() - start)
        return longest

    thaw = _freeze(chat)
    try:
        waits, pause = asyncio.run(_watched([caller(pair) for pair in pairs]))
        kept = [call.own_id for _, call in chat.outbox.oldest(1000)]
    finally:
        thaw()
    assert max(waits) < 10
    assert pause < 2  # a call that blocks the loop waits as long as this for Redis
    assert len(kept) == len(set(kept)) == 400
    assert all(kept.index(str(a.event_id)) < kept.index(str(b.event_id)) for a, b in pairs)
    chat.delivers(kept)
    publisher.close()


def test_two_hundred_callers_share_round_trips(
    chat: Chat, patient: Publisher, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The round trips are few, each caller gets the id of its own event, and each event is queued once."""
    trips: list[int] = []
    send: Callable[..., None] = client.Connection.send_packed_command

    def counted(*arguments: Any, **options: Any) -> None:
        trips.append(1)
        send(*arguments, **options)

    events = [payment() for _ in range(200)]
    with monkeypatch.context() as patched:
        patched.setattr(client.Connection, "send_packed_command", counted)
        ids, pause = asyncio.run(_watched([patient.apublish(event) for event in events]))
    assert ids == [event.event_id for event in events]
    assert Counter(chat.queued()) == Counter(map(str, ids))
    assert len(trips) <= 10
    assert pause < BOUND


def test_a_caller_who_is_cancelled_disturbs_nobody(chat: Chat, patient: Publisher) -> None:
    """The events of the others arrive, and a later call of the same loop works."""
    events = [payment() for _ in range(50)]

    async def chatting() -> list[Any]:
        tasks = [asyncio.create_task(patient.apublish(event)) for event in events]
        await asyncio.sleep(0)
        for task in tasks[::5]:
            task.cancel()
        return await asyncio.gather(*tasks, return_exceptions=True)

    results = asyncio.run(chatting())
    for number, (event, result) in enumerate(zip(events, results, strict=True)):
        cancelled = number % 5 == 0
        assert isinstance(result, asyncio.CancelledError) if cancelled else result == event.event_id
    queued = Counter(chat.queued())
    assert all(queued[str(event.event_id)] == 1 for number, event in enumerate(events) if number % 5)
    assert max(queued.values()) == 1


@pytest.mark.slow
def test_several_event_loops_in_turn(chat: Chat, patient: Publisher) -> None:
    """One publisher serves them all, and a plain call within one too."""
    events = [payment() for _ in range(4)]

    async def both(first: PaymentValidated, second: PaymentValidated) -> None:
        await patient.apublish(first)
        patient.publish(second)

    asyncio.run(both(*events[:2]))
    asyncio.run(both(*events[2:]))
    assert chat.queued() == [str(event.event_id) for event in events]


@pytest.mark.slow
def test_sixteen_threads(chat: Chat, patient: Publisher) -> None:
    """All at once: each event waits once, and each thread's in its order."""
    parts = [[payment() for _ in range(25)] for _ in range(16)]
    threads = [
        threading.Thread(target=lambda part=part: [patient.publish(event) for event in part])
        for part in parts
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    chat.delivers([str(event.event_id) for part in parts for event in part])


def _one_by_one(publisher: Publisher, events: Iterable[PaymentValidated]) -> Callable[[], None]:
    """Publish each event with a call of its own."""

    def work() -> None:
        for event in events:
            publisher.publish(event)

    return work


def _in_child(work: Callable[[], None]) -> Callable[[], None]:
    """Start it in a forked child; the answer waits for its end, which must be a good one."""
    child = os.fork()
    if child == 0:
        signal.alarm(60)
        code = 1
        try:
            work()
            code = 0
        except BaseException:  # noqa: BLE001 - the child must never run the parent's tests
            traceback.print_exc()
        finally:
            os._exit(code)

    def join() -> None:
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0

    return join


@pytest.mark.slow
def test_parent_and_child_do_not_mix_up_answers(chat: Chat, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each publishes 500 times at once, the one where the id is free, the other where it is taken."""
    monkeypatch.delenv("BOTLIVE_OUTBOX")
    taken = payment()
    free = [payment() for _ in range(500)]
    others = [LiveToggled(company_id=f"shop-{n}", enabled=True, event_id=taken.event_id) for n in range(500)]
    with Publisher.from_env(within=10) as publisher:
        publisher.publish(taken)
        join = _in_child(_one_by_one(publisher, free))
        for other in others:
            publisher.publish(other)
        join()
    queued = chat.queued()
    assert len(queued) == len(set(queued)) == 1001
    assert {str(event.event_id) for event in free} < set(queued)
    assert sum(job_id.startswith(str(taken.event_id)) for job_id in queued) == 501


@pytest.mark.slow
@pytest.mark.parametrize("away", [False, True])
def test_forks_while_another_thread_publishes(chat: Chat, publisher: Publisher, *, away: bool) -> None:
    """Children publish in time, with Redis there and, to the parent's file, without it."""
    mend = _crash(chat) if away else lambda: None
    events: list[PaymentValidated] = []
    ended = threading.Event()
    wrong: list[BaseException] = []

    def chatting() -> None:
        try:
            while not ended.is_set():
                events.append(payment())
                publisher.publish(events[-1])
                time.sleep(0.001)  # or it would have the file nearly always
        except PublishError as error:
            wrong.append(error)

    thread = threading.Thread(target=chatting)
    thread.start()
    try:
        for _ in range(20):
            childs = [payment(), payment()]
            _in_child(_one_by_one(publisher, childs))()
            events += childs
    finally:
        ended.set()
        thread.join()
        mend()
    assert wrong == []
    chat.delivers([str(event.event_id) for event in events], 30)


def test_close_while_others_publish(chat: Chat) -> None:
    """Each call gave an id, and its event is on the queue or in the outbox, or it raised: none is silent."""
    publisher = Publisher.from_env()
    taken: list[str] = []

    def chatting() -> None:
        with suppress(PublisherClosed, PublishError):
            while True:
                taken.append(str(publisher.publish(payment())))

    async def many() -> None:
        async def one() -> None:
            with suppress(PublishError):
                while True:
                    taken.append(str(await publisher.apublish(payment())))

        await asyncio.gather(*(one() for _ in range(20)))

    threads = [threading.Thread(target=chatting) for _ in range(4)]
    threads.append(threading.Thread(target=lambda: asyncio.run(many())))
    for thread in threads:
        thread.start()
    time.sleep(0.2)
    start = time.monotonic()
    publisher.close()
    for thread in threads:
        thread.join(10)
    assert time.monotonic() - start < BOUND + 0.5
    kept = [call.own_id for _, call in chat.outbox.oldest(100_000)]
    assert taken
    assert {*taken} <= {*chat.queued(), *kept}


_CRASHING_CHAT = f"""
import os, signal, sys
from events import PaymentValidated, Publisher
publisher = Publisher.from_env(within=5)
for _ in range(int(sys.argv[1])):
    event = PaymentValidated(company_id="shop", user_id={PHONE!r}, amount=1, reference="")
    print(publisher.publish(event), flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


def _crashed(chat: Chat, events: int) -> list[str]:
    """The ids that a chat process published, before it was killed."""
    ended = chat.run(sys.executable, "-c", _CRASHING_CHAT, str(events))
    assert ended.returncode == -signal.SIGKILL, ended.stderr
    return ended.stdout.split()


@pytest.mark.slow
def test_what_a_killed_process_left_is_drained_by_hand(chat: Chat) -> None:
    """``botlive outbox`` counts and delivers the events. If Redis is unreachable, it says so."""
    botlive = str(BIN / "botlive")
    chat.valkey.kill()
    ids = _crashed(chat, 3)
    assert chat.run(botlive, "outbox", "status").stdout == "3 of at most 100000 events wait\n"

    failed = chat.run(botlive, "outbox", "drain")
    assert failed.returncode != 0
    assert "Traceback" not in failed.stderr
    assert PHONE not in failed.stderr + failed.stdout

    chat.valkey.start()
    drained = chat.run(botlive, "outbox", "drain")
    assert (drained.returncode, drained.stdout) == (0, "delivered 3\n")
    assert chat.run(botlive, "outbox", "status").stdout == "0 of at most 100000 events wait\n"
    assert chat.queued() == ids


@pytest.mark.slow
def test_what_a_killed_process_left_is_delivered_by_the_next(chat: Chat) -> None:
    """The next process delivers it, even if it publishes nothing."""
    chat.valkey.kill()
    ids = _crashed(chat, 3)
    chat.valkey.start()
    with Publisher.from_env():
        chat.delivers(ids)
    assert chat.queued() == ids


_OUTLASTING_CHAT = f"""
import sys, time
from events import PaymentValidated, Publisher
publisher = Publisher.from_env(within=5)
for _ in range(100):
    event = PaymentValidated(company_id="shop", user_id={PHONE!r}, amount=1, reference="")
    print(publisher.publish(event), flush=True)
sys.stdin.read()
"""


@pytest.mark.slow
def test_two_processes_with_one_file(chat: Chat) -> None:
    """Redis goes and comes back: all of both is on the queue, once, and nothing is left."""
    chat.valkey.kill()
    command = [sys.executable, "-c", _OUTLASTING_CHAT]
    environment = {**os.environ, **chat.environment}
    ids: list[str] = []
    with ExitStack() as stack:
        chats = [
            stack.enter_context(
                ending(
                    subprocess.Popen(
                        command, env=environment, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE
                    )
                )
            )
            for _ in range(2)
        ]
        for each in chats:
            assert each.stdout
            ids += [each.stdout.readline().strip() for _ in range(100)]
        assert len(chat.outbox) == 200
        chat.valkey.start()
        chat.delivers(ids)
        for each in chats:
            each.communicate(timeout=10)
    assert [each.returncode for each in chats] == [0, 0]


@pytest.mark.slow
def test_draining_beside_jobs_under_the_same_ids(chat: Chat, publisher: Publisher) -> None:
    """The same event is not put there again; another one under its id waits beside it, and is not lost."""
    mend = _crash(chat)
    same, first = payment(), payment()
    other = LiveToggled(company_id="shop", enabled=True, event_id=first.event_id)
    publisher._courier.stop()  # type: ignore[union-attr] # the test brings them itself
    chat.outbox.add([[Call.of(same)], [Call.of(other)]])
    mend()
    with Publisher(client.Redis(port=chat.valkey.port), within=5) as elsewhere:
        elsewhere.publish_many([same, first])
    assert chat.run(str(BIN / "botlive"), "outbox", "drain").stdout == "delivered 2\n"
    queued = chat.queued()
    assert queued[:2] == [str(same.event_id), str(first.event_id)]
    assert [job_id.startswith(f"{first.event_id}-") for job_id in queued[2:]] == [True]


def _call(event: PaymentValidated | LiveToggled) -> Any:
    from events.publishing.call import Call  # noqa: PLC0415

    return Call.of(event)
