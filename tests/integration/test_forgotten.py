"""Redis forgets events that it confirmed: the publishers publish them again, and none is lost."""

import asyncio
import logging
import shutil
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest
import redis as client

from devstack.valkey import Valkey
from events import PaymentValidated, Publisher, PublishError
from events.publishing import address
from events.publishing.outbox import Outbox
from tests.chaos import amnesia
from tests.integration.line import until
from tests.integration.roads import Road, free_port

pytestmark = pytest.mark.slow

QUEUE = "rq:queue:botlive"
LOSS = 1.5
"""Seconds that a power loss costs."""


class HeldRoad(Road):
    """A proxy that can hold data back."""

    def __init__(self, target: int) -> None:
        self._free = threading.Event()
        self._free.set()
        super().__init__(target)

    def hold(self) -> None:
        """Hold all data back from now on."""
        self._free.clear()

    def close(self) -> None:
        """Close it. Data that was held back is lost."""
        self._free.set()
        super().close()

    def _carry(self, source: socket.socket, target: socket.socket, last: list[float]) -> None:
        with suppress(OSError):
            while data := source.recv(65536):
                self._free.wait()
                target.sendall(data)
        for end in (source, target):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)


def payment() -> PaymentValidated:
    """Return an event."""
    return PaymentValidated(company_id="shop", user_id="+2250700112233", amount=1, reference="WAVE-99")


class Chat(threading.Thread):
    """Publishes in every way until it is stopped. No event that was confirmed to it may be lost."""

    def __init__(self, url: str, outbox: Path | None) -> None:
        super().__init__(daemon=True)
        self.publisher = Publisher(address.client(url), within=0.5, outbox=Outbox(outbox) if outbox else None)
        self.confirmed: set[str] = set()
        self._quiet = threading.Event()

    def run(self) -> None:
        """Publish."""
        while not self._quiet.wait(0.002):
            for way in (self._one, self._awaited, self._many):
                with suppress(PublishError):
                    way()

    def be_quiet(self) -> None:
        """Stop publishing. The publisher stays open."""
        self._quiet.set()
        self.join(10)

    def _one(self) -> None:
        self.confirmed.add(str(self.publisher.publish(payment())))

    def _awaited(self) -> None:
        async def both() -> None:
            for found in await asyncio.gather(*(self.publisher.apublish(payment()) for _ in range(3))):
                self.confirmed.add(str(found))

        asyncio.run(both())

    def _many(self) -> None:
        self.confirmed |= {*map(str, self.publisher.publish_many([payment() for _ in range(5)]))}


class Scene:
    """A primary and its replica, a proxy to the current primary, and chats."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.first, self.second = (Valkey(directory / name, free_port()) for name in ("first", "second"))
        self.first.start()
        self.road = Road(self.first.port)
        self.replication = HeldRoad(self.first.port)
        self.chats: list[Chat] = []

    @property
    def confirmed(self) -> set[str]:
        """The ids of all events that Redis or an outbox confirmed."""
        return set().union(*(chat.confirmed.copy() for chat in self.chats))

    def start_chats(self) -> None:
        """Start two chats without an outbox and one with it, and wait until all publish."""
        url = f"redis://127.0.0.1:{self.road.port}/0"
        self.chats = [Chat(url, outbox) for outbox in (None, None, self.directory / "outbox.db")]
        for chat in self.chats:
            chat.start()
        until(lambda: all(len(chat.confirmed) > 50 for chat in self.chats), 30)

    def be_quiet(self) -> None:
        """Stop all chats."""
        for chat in self.chats:
            chat.be_quiet()

    def queued(self) -> set[str]:
        """Return the ids on the queue of the primary, or none while it is unreachable."""
        try:
            with client.Redis(port=self.road.target) as connection:
                return {job_id.decode() for job_id in connection.lrange(QUEUE, 0, -1)}
        except client.RedisError:
            return set()

    def close(self) -> None:
        """Close everything."""
        self.be_quiet()
        for chat in self.chats:
            chat.publisher.close()
        for road in (self.road, self.replication):
            road.close()
        for server in (self.first, self.second):
            server.kill()


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    """A new scene."""
    made = Scene(tmp_path)
    yield made
    made.close()


# The ways in which Redis forgets. Each returns a function that ends the outage.


def _loses_its_last_seconds(scene: Scene) -> Callable[[], None]:
    size = amnesia.size_of(scene.first)
    time.sleep(LOSS)
    return _crash(scene, lambda: amnesia.cut(scene.first, size))


def _loses_its_file(scene: Scene) -> Callable[[], None]:
    return _crash(scene, lambda: shutil.rmtree(scene.first.directory / "appendonlydir"))


def _crash(scene: Scene, damage: Callable[[], object]) -> Callable[[], None]:
    def end() -> None:
        scene.first.kill()
        damage()
        scene.first.start()

    return end


def _fails_over(scene: Scene) -> Callable[[], None]:
    """Fail over to a replica that lacks the last seconds."""
    scene.second.start()
    with client.Redis(port=scene.second.port) as replica:
        replica.replicaof("127.0.0.1", scene.replication.port)
        until(lambda: replica.info("replication")["master_link_status"] == "up", 30)
    time.sleep(0.3)
    scene.replication.hold()
    time.sleep(LOSS)

    def end() -> None:
        scene.first.kill()
        with client.Redis(port=scene.second.port) as replica:
            replica.replicaof("NO", "ONE")
        scene.road.target = scene.second.port
        scene.road.cut()

    return end


WAYS = {
    "the end of the file": _loses_its_last_seconds,
    "the file": _loses_its_file,
    "failover": _fails_over,
}


@pytest.mark.parametrize("busy", [pytest.param(True, id="busy"), pytest.param(False, id="quiet")])
@pytest.mark.parametrize(
    "way", [pytest.param(way, marks=[pytest.mark.slow] if way != "the file" else []) for way in WAYS]
)
def test_nothing_confirmed_is_lost(
    scene: Scene, caplog: pytest.LogCaptureFixture, way: str, *, busy: bool
) -> None:
    """All confirmed events are on the queue again and the loss is logged, even if the chats stop."""
    caplog.set_level(logging.WARNING)
    scene.start_chats()
    end = WAYS[way](scene)
    if not busy:
        scene.be_quiet()
    end()
    if busy:
        before = len(scene.confirmed)
        until(lambda: len(scene.confirmed) > before + 100, 30)
        scene.be_quiet()
    until(lambda: scene.confirmed <= scene.queued(), 30)
    until(lambda: "Redis forgot" in caplog.text, 10)  # it is logged after the events are back
    assert "WAVE-99" not in caplog.text


def test_a_restart_that_costs_nothing_is_no_alarm(scene: Scene, caplog: pytest.LogCaptureFixture) -> None:
    """After a kill with an intact file no event is published again."""
    scene.start_chats()
    scene.first.kill()
    scene.first.start()
    before = len(scene.confirmed)
    until(lambda: len(scene.confirmed) > before + 100, 30)
    scene.be_quiet()
    for chat in scene.chats:
        chat.publisher._queue.check_counter()
        assert not chat.publisher._watch.check()
    until(lambda: scene.confirmed <= scene.queued(), 30)
    assert "Redis forgot" not in caplog.text
