"""The publishers of the model: a chat's real queue, memory, watch, outbox and courier, without threads."""

import sqlite3
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Literal

from redis.exceptions import ConnectionError as Away

from events.errors import PublishError
from events.publishing.call import Call
from events.publishing.courier import Courier
from events.publishing.memory import Memory
from events.publishing.outbox import Outbox
from events.publishing.queue import Queue
from events.publishing.watch import Watch
from tests.model.client import Client, Command, Server
from tests.model.clock import Clock

Loss = Literal["before", "after", "once"]
"""When the answers to commands are lost: before they are done, after it, or after it but only once."""
_PUBLISHERS = 2


class _Connection:
    """What ``events.publishing.queue`` needs of redis-py's connection."""

    _sock = None

    def __init__(self, publisher: "Publisher", **_: object) -> None:
        self._publisher = publisher
        self._replies: deque[Any] = deque()

    def connect(self) -> None:
        """Do nothing: the server is always there."""

    def disconnect(self) -> None:
        """Do nothing."""

    def pack_commands(self, commands: Sequence[Command]) -> Sequence[Command]:
        """Return the commands as they are."""
        return commands

    def send_command(self, *command: Any) -> None:
        """Execute a command."""
        self.send_packed_command([command])

    def send_packed_command(self, commands: Sequence[Command]) -> None:
        """Execute commands, and keep their replies."""
        loss = self._publisher.loss
        if loss != "before":
            Client.commands += 1
            self._replies.extend(self._publisher.server.exchange(commands))
        if loss:
            self._publisher.loss = None if loss == "once" else loss
            raise Away

    def read_response(self) -> Any:
        """Return the next reply, or raise it."""
        found = self._replies.popleft()
        if isinstance(found, Exception):
            raise found
        return found


class _OpenOutbox(Outbox):
    """An outbox that keeps its file open, which no other process uses."""

    def __init__(self, file: Path) -> None:
        super().__init__(file)
        with super()._open():  # creates it
            self._file = sqlite3.connect(file, isolation_level=None)

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        with self._file:
            yield self._file


class Publisher:
    """A chat's process. It lives as long as the server, and begins anew with each run."""

    def __init__(self, server: Server, queue: str, file: Path) -> None:
        self.server = server
        self.loss: Loss | None = None
        """What happens to all that is sent now."""
        self._clock = Clock()
        self._file = file
        self._memory = Memory(lambda: self._clock.now)
        pool = SimpleNamespace(connection_class=_Connection, connection_kwargs={"publisher": self})
        redis: Any = SimpleNamespace(connection_pool=pool)
        self._queue = Queue(redis, queue, patience=1.0, memory=self._memory)
        self._outbox = _OpenOutbox(file)
        self._courier = Courier(self._outbox, self._queue)
        self._watch = Watch(self._memory, self._queue)
        self._memory.on_work = lambda: None  # no thread: a step of the model looks
        self.waiting: set[str] = set()
        """The events in the outbox."""

    def begin(self, clock: Clock) -> None:
        """Begin a run, with nothing in the memory and in the outbox."""
        self._clock, self.loss = clock, None
        self._memory.clear(young=True)
        self._queue.close()  # otherwise the run would depend on the one before
        if self.waiting:
            self._outbox.remove([number for number, _ in self._outbox.oldest(1000)])
            self.waiting = set()

    def publish(self, calls: Sequence[Call]) -> None:
        """Put events on the queue, or into the outbox if Redis does not confirm them."""
        try:
            self._queue.put(calls)
        except PublishError:
            assert self._outbox.add([calls]) == [None]
            self._look_into_outbox()

    def drain(self) -> set[str]:
        """Bring what waits in the outbox to the queue. Return the events that were tried."""
        tried = self.waiting
        with suppress(PublishError):
            self._courier.drain()
        self._look_into_outbox()
        return tried

    def look(self) -> None:
        """Look whether Redis has forgotten events, and publish them again."""
        with suppress(PublishError):
            self._watch.check()

    def knows_forgotten(self) -> set[str]:
        """Return the events that it would publish again when it looks."""
        counter, _ = self._memory.mark
        count = int(self.server.exchange([("GET", counter)])[0] or 0)
        lost = [calls for number, (calls, _) in self._memory._puts.items() if max(number, 1) > count]
        return {call.own_id for calls in (self._memory._forgotten, *lost) for call in calls}

    def _look_into_outbox(self) -> None:
        self.waiting = {call.own_id for _, call in self._outbox.oldest(1000)}


@cache
def publishers_of(server: Server, queue: str) -> Sequence[Publisher]:
    """Return the publishers of a server."""
    return [Publisher(server, queue, server.folder / f"outbox-{number}") for number in range(_PUBLISHERS)]
