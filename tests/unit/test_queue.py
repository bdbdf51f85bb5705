"""The queue in the chat process: what it sends, and how long a caller waits."""

import socket
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from itertools import cycle

import fakeredis
import pytest
import redis as client

from events import PaymentValidated, PublishError
from events.publishing.call import Call
from events.publishing.queue import CHUNK, Queue
from tests.replies import text


def call() -> Call:
    """Return the call of an event."""
    return Call.of(PaymentValidated(company_id="shop", user_id="+2250700000000", amount=1, reference=""))


class Scripted:
    """A server that sends scripted answers and records what it receives."""

    def __init__(self) -> None:
        self.server = socket.create_server(("127.0.0.1", 0))
        self.answers: list[Callable[[socket.socket], None]] = []
        self.heard: list[bytes] = []
        self.greetings: list[bytes] = []
        self.connections: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def queue(self, patience: float = 5) -> Queue:
        """Return a queue to this server, over a client that a host made."""
        return Queue(client.Redis(port=self.server.getsockname()[1]), "botlive", patience=patience)

    def close(self) -> None:
        """Stop the server."""
        for line in (self.server, *self.connections):
            with suppress(OSError):
                line.shutdown(socket.SHUT_RDWR)
            line.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                self.connections.append(self.server.accept()[0])
                threading.Thread(target=self._serve, args=[self.connections[-1]], daemon=True).start()

    def _serve(self, line: socket.socket) -> None:
        with suppress(OSError):
            while heard := line.recv(65_536):
                if b"EVALSHA" not in heard:  # what a client says of itself at first
                    self.greetings.append(heard)
                    line.sendall(b"+OK\r\n" * heard.count(b"*"))
                    continue
                self.heard.append(heard)
                self.answers.pop(0)(line)


def says(answer: bytes) -> Callable[[socket.socket], None]:
    """Return an answer that is sent at once."""
    return lambda line: line.sendall(answer)


def drips(answer: Iterable[int], every: float) -> Callable[[socket.socket], None]:
    """Return an answer that is sent byte by byte."""

    def drip(line: socket.socket) -> None:
        for byte in answer:
            line.sendall(bytes([byte]))
            time.sleep(every)

    return drip


@pytest.fixture
def server() -> Iterator[Scripted]:
    """A scripted server on its own port."""
    made = Scripted()
    yield made
    made.close()


def test_at_once_only_over_an_open_connection(server: Scripted) -> None:
    """No connection is opened, so no name is looked up in the caller's thread."""
    assert not server.queue().put_at_once(call(), 1)
    assert server.connections == []


def test_one_round_trip_over_one_connection(server: Scripted) -> None:
    """Each put takes one round trip, and the connection is used again."""
    server.answers = [says(b":1\r\n") for _ in range(4)]
    queue = server.queue()
    queue.put([call()])
    assert queue.put_at_once(call(), 1)
    queue.put([call()])
    assert queue.put_at_once(call(), 1)
    assert len(server.connections) == 1
    assert [heard.count(b"EVALSHA") for heard in server.heard] == [1] * 4
    queue.close()


def test_a_new_connection_takes_no_further_round_trip(server: Scripted) -> None:
    """Nothing comes before the event, whatever client the host made: 100 ms away, a caller waits for each."""
    server.answers = [says(b":1\r\n")]
    queue = server.queue()
    queue.put([call()])
    assert server.greetings == []
    queue.close()


def test_a_redis_that_is_far_away_keeps_its_connection(server: Scripted) -> None:
    """If no answer can arrive in time, the caller does not even ask: that would close the connection."""
    server.answers = [drips(b":1\r\n", every=0.03), says(b":2\r\n"), says(b":3\r\n")]
    queue = server.queue()
    queue.put([call()])
    assert not queue.put_at_once(call(), 0.05)
    queue.put([call()])
    assert queue.put_at_once(call(), 5)
    assert (len(server.connections), len(server.heard)) == (1, 3)
    queue.close()


def test_a_redis_that_is_far_away_has_time_to_answer_after_a_pause(
    server: Scripted, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An idle connection is doubted only if its answer takes longer than usual."""
    monkeypatch.setattr("events.publishing.queue._TRUSTED", -10.0)  # every idle connection is an old one
    monkeypatch.setattr("events.publishing.queue._SOON", 0.001)
    server.answers = [says(b":1\r\n"), drips(b":2\r\n", every=0.03)]
    queue = server.queue()
    queue.put([call()])
    queue._pace = 30.0
    queue.put([call()])
    assert (len(server.connections), len(server.heard)) == (1, 2)
    queue.close()


@pytest.mark.parametrize(
    "answer", [b":-2\r\n", b"-OOM command not allowed\r\n", b"-NOSCRIPT None\r\n", b"+QUEUED\r\n"]
)
def test_at_once_is_yes_or_not_known(server: Scripted, answer: bytes) -> None:
    """Any other answer is not a confirmation, and the connection is closed."""
    server.answers = [says(b":1\r\n"), says(answer), says(b":1\r\n")]
    queue = server.queue()
    queue.put([call()])
    assert not queue.put_at_once(call(), 1)
    queue.put([call()])
    assert len(server.connections) == 2
    queue.close()


@pytest.mark.parametrize("answer", [b":1\r\n", cycle(b"-")])
def test_a_dripping_answer_is_bound_as_a_whole(server: Scripted, answer: Iterable[int]) -> None:
    """The time limit does not begin again with each byte: an endless answer is given up too."""
    server.answers = [says(b":1\r\n"), drips(answer, every=0.08)]
    queue = server.queue()
    queue.put([call()])
    assert not queue.put_at_once(call(), 0.1)
    queue.close()


def test_an_answer_in_parts_is_one(server: Scripted) -> None:
    """An answer may arrive in parts if it is complete in time. The connection is then used again."""
    server.answers = [says(b":1\r\n"), drips(b":1\r\n", every=0.01), says(b":1\r\n")]
    queue = server.queue()
    queue.put([call()])
    assert queue.put_at_once(call(), 5)
    assert queue.put_at_once(call(), 5)
    assert len(server.connections) == 1
    queue.close()


def test_a_late_answer_is_never_taken_for_the_next(server: Scripted) -> None:
    """A late answer must not confirm the next event, so its connection is closed."""
    late = threading.Event()

    def answer_late(line: socket.socket) -> None:
        late.wait(5)
        line.sendall(b":1\r\n")

    server.answers = [says(b":1\r\n"), answer_late]
    queue = server.queue(patience=0.1)
    queue.put([call()])
    assert not queue.put_at_once(call(), 0.05)
    late.set()
    time.sleep(0.05)
    server.answers = [says(b"-OOM command not allowed\r\n")] * 2
    assert not queue.put_at_once(call(), 0.05)
    with pytest.raises(PublishError):
        queue.put([call()])


def test_at_once_is_no_where_the_connection_is_closed(server: Scripted) -> None:
    """A closed connection is not a confirmation. The next put opens another one."""
    server.answers = [says(b":1\r\n"), lambda line: line.shutdown(socket.SHUT_RDWR), says(b":1\r\n")]
    queue = server.queue()
    queue.put([call()])
    assert not queue.put_at_once(call(), 1)
    queue.put([call()])
    assert len(server.connections) == 2
    queue.close()


def test_a_silent_server_is_left(server: Scripted) -> None:
    """The queue stops waiting although the client has no time limit. Otherwise the thread would be lost."""
    server.answers = [says(b":1\r\n"), says(b":1\r\n"), lambda line: None, lambda line: None]
    queue = server.queue(patience=0.1)
    queue.put([call()])
    assert queue.put_at_once(call(), 1)
    with pytest.raises(PublishError) as failure:
        queue.put([call()])
    assert isinstance(failure.value.__cause__, client.TimeoutError)


def test_a_put_opens_another_connection_where_the_idle_ones_are_stale(server: Scripted) -> None:
    """All idle connections are closed, because the cause usually affects all of them."""
    server.answers = [says(b":1\r\n")] * 2
    queue = server.queue()
    queue.put([call()])
    for line in server.connections:
        line.shutdown(socket.SHUT_RDWR)
    queue.put([call()])
    assert [heard.count(b"EVALSHA") for heard in server.heard] == [1, 1]
    queue.close()


def test_after_a_silence_no_other_old_connection_is_used(
    server: Scripted, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The network may have dropped all idle connections: the next put opens another one."""
    monkeypatch.setattr("events.publishing.queue._TRUSTED", -10.0)  # every idle connection is an old one
    is_open = threading.Event()

    def late(line: socket.socket) -> None:
        is_open.wait(30)
        line.sendall(b":1\r\n")

    server.answers = [late, says(b":2\r\n"), says(b"-ERR\r\n"), says(b":3\r\n")]
    queue = server.queue()
    first = threading.Thread(target=queue.put, args=[[call()]])
    first.start()
    while not server.heard:
        time.sleep(0.001)
    queue.put([call()])
    is_open.set()
    first.join()
    assert not queue.put_at_once(call(), 1)
    queue.put([call()])
    assert len(server.connections) == 3
    queue.close()


def test_an_event_that_redis_takes_under_no_id_is_an_error(server: Scripted) -> None:
    """Another event has its id, and something else the id for both: the caller is told."""
    server.answers = [says(b":-2\r\n"), says(b":-2\r\n")]
    queue = server.queue()
    with pytest.raises(PublishError):
        queue.put([call()])
    assert len(server.heard) == 2
    queue.close()


def test_groups_share_a_round_trip(server: Scripted) -> None:
    """Groups of several callers are sent together in their order. An error is returned for each of them."""
    server.answers = [says(b":1\r\n" * 6), says(b"-OOM no\r\n" * 6), says(b"-OOM no\r\n" * 6)]
    queue = server.queue()
    groups = [[call()], [call(), call()], [call()] * 3]
    assert queue.put_groups(groups) == [None] * 3
    assert len(server.heard) == 1
    places = [server.heard[0].index(each.data.encode()) for group in groups[:2] for each in group]
    assert places == sorted(places)
    assert all(isinstance(error, PublishError) for error in queue.put_groups(groups))


def test_an_answer_that_is_missing_is_a_failure(server: Scripted) -> None:
    """If one of five confirmations is missing, the put fails."""
    server.answers = [says(b":1\r\n" * 4)] * 2
    with pytest.raises(PublishError):
        server.queue(patience=0.1).put([call() for _ in range(5)])


@pytest.mark.parametrize("url", ["redis://a..b:6379", "redis://127.0.0.1:6379/?unheard_of=1"])
def test_whatever_the_client_raises_is_a_publish_error(url: str) -> None:
    """Invalid host names and unknown options are also PublishErrors, so the outbox gets the event."""
    with pytest.raises(PublishError) as failure:
        Queue(client.Redis.from_url(url), "botlive", patience=5).put([call()])
    assert not isinstance(failure.value.__cause__, (client.RedisError, OSError))


def test_nothing_to_put_is_no_round_trip() -> None:
    """An empty put needs no Redis."""
    unheard = Queue(client.Redis(port=1), "botlive", patience=5)
    unheard.put([])
    assert unheard.put_groups([[], []]) == [None, None]


def test_large_puts_are_divided() -> None:
    """A large put takes several round trips, so that Redis stays responsive. All jobs are there, in order."""
    redis = fakeredis.FakeStrictRedis()
    calls = [call() for _ in range(CHUNK + 1)]
    Queue(redis, "botlive", patience=5).put(calls)
    assert [text(job) for job in redis.lrange("rq:queue:botlive", 0, -1)] == [each.own_id for each in calls]
