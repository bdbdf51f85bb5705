"""What the benchmark says of its figures: nothing is hidden, nothing is claimed without one."""

import math
import os
import socket
import statistics
import sys
import time
from collections.abc import Iterator
from threading import Thread

import pytest

from bench.backlog import size
from bench.contenders import contenders
from bench.processes import BenchError, free_port, running
from bench.report import Table, dominated
from bench.rounds import interleaved, spread
from bench.targets import Target

_MESSAGES = 30


@pytest.mark.parametrize(
    ("sign", "bound", "found", "verdict"),
    [
        ("≥", 10, 10.0, "met"),
        ("≥", 10, 9.99, "missed"),
        ("≤", 5, 5.0, "met"),
        ("≤", 5, 5.01, "missed"),
        ("≥", 0, math.nan, "missed"),
    ],
)
def test_verdict(sign: str, bound: float, found: float, verdict: str) -> None:
    """A target is met at its bound, missed beyond it, and missed where there is no figure."""
    assert str(Target("speed", sign, bound, found)).endswith(verdict)


def test_rounds_are_interleaved() -> None:
    """Every contender has its turn before anyone has a second one."""
    turns: list[str] = []
    interleaved("test", ["a", "b"], str, 2, turns.append)
    assert turns == ["a", "b", "a", "b"]


def test_failure_is_reported() -> None:
    """One that fails in any round has no figure but its reason, and the others go on."""
    outcomes: dict[str, Iterator[float]] = {"good": iter([1.0, 3.0, 2.0]), "bad": iter([1.0, 0.0, 1.0])}

    def run(name: str) -> float:
        value = next(outcomes[name])
        if not value:
            raise BenchError("it lost an event")
        return value

    lines = interleaved("test", ["good", "bad"], str, 3, run)
    assert lines["good"].median(float) == 2.0
    assert math.isnan(lines["bad"].median(float))
    assert lines["bad"].failure == "BenchError: it lost an event"
    assert next(outcomes["bad"]) == 1.0, "it was run again"


def test_spread() -> None:
    """Half of the range, relative to the median."""
    assert spread([90.0, 100.0, 120.0]) == pytest.approx(0.15)


@pytest.mark.parametrize(
    ("cores", "far", "said"),
    [
        ({"worker": 0.1, "redis": 0.0, "gateway": 0.1, "postgres": 0.1}, True, "round trips"),
        ({"worker": 0.9, "redis": 0.1, "gateway": 0.2, "postgres": 0.3}, False, "queue and client"),
        ({"worker": 0.2, "redis": 0.1, "gateway": 0.4, "postgres": 0.3}, False, "local gateway: does not"),
        ({"worker": 0.2, "redis": 0.1, "gateway": 0.3, "postgres": 0.9}, False, "RPC"),
    ],
)
def test_domination(cores: dict[str, float], far: bool, said: str) -> None:
    """Who has most of the processor time dominates; far away and idle, the round trips do."""
    assert dominated(cores, far=far).startswith(said)


@pytest.mark.parametrize("delay", [0, 80])
def test_first_wave_is_not_all(delay: int) -> None:
    """A run is long enough to have events left when all that a contender takes at once are left out."""
    for contender in contenders(delay):
        assert size(contender, delay, 0.0) > 2 * contender.at_once


def test_markdown() -> None:
    """A table for a document has a rule under its head and a line for each row."""
    text = Table("T", "N.", ["", "x"], [["a", "1"]]).markdown()
    assert text.splitlines() == ["**T**. N.", "", "|  | x |", "|---|--:|", "| a | 1 |"]


@pytest.fixture
def echo() -> Iterator[int]:
    """The port of a server that sends back what it gets, on one connection."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer() -> None:
            connection, _ = server.accept()
            with connection:
                while data := connection.recv(100):
                    connection.sendall(data)

        thread = Thread(target=answer)
        thread.start()
        yield server.getsockname()[1]
        thread.join(timeout=10)


def test_proxy_is_far_and_not_slow(echo: int) -> None:
    """Messages arrive in order, each one round trip late, however many are on the way."""
    port = free_port()
    command = [sys.executable, "-m", "bench.proxy", str(port), str(echo), "200"]
    with running(command, os.environ), _connected(port) as connection:
        sent: list[float] = []
        sender = Thread(target=_send, args=(connection, sent))
        sender.start()
        received = [(connection.recv(1), time.monotonic()) for _ in range(_MESSAGES)]
        sender.join()
        connection.shutdown(socket.SHUT_WR)
        assert connection.recv(1) == b""
    assert b"".join(message for message, _ in received) == bytes(range(_MESSAGES))
    late = [arrived - began for (_, arrived), began in zip(received, sent, strict=True)]
    assert min(late) >= 0.19  # its clock counts in milliseconds
    assert statistics.median(late) < 1  # one message after the other, it would be many seconds


def _send(connection: socket.socket, sent: list[float]) -> None:
    for number in range(_MESSAGES):
        sent.append(time.monotonic())
        connection.sendall(bytes([number]))
        time.sleep(0.02)


def _connected(port: int) -> socket.socket:
    deadline = time.monotonic() + 10
    while True:
        try:
            return socket.create_connection(("127.0.0.1", port), timeout=5)
        except ConnectionRefusedError:
            assert time.monotonic() < deadline
            time.sleep(0.02)
