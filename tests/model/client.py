"""A Redis client that can kill its worker at any command. It is a small part of redis-py's client.

The model's Redis never fails, and only one thread uses it: a command needs no retry and no connection pool.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from copy import copy
from functools import cache
from pathlib import Path
from typing import Any, ClassVar, Literal

import redis
from redis.client import Pipeline
from redis.commands.core import Script

How = Literal["before", "after", "twice"]
"""What happens at a command: the worker is killed before it or after it, or the answer is lost and the client
sends the command again."""
Command = tuple[Any, ...]


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


class Server(ABC):
    """A Redis, and the clients of it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        """For the files of the run."""
        self._client = Client(self)

    @abstractmethod
    def exchange(self, commands: Sequence[Command]) -> list[Any]:
        """Execute commands, and return their replies. A reply may be an exception."""

    @abstractmethod
    def look(self) -> Mapping[bytes, Sequence[bytes]]:
        """Return the members of all lists, sorted sets and hashes by their key; of a job, no members."""

    @abstractmethod
    def remember(self) -> Any:
        """Return all keys and values."""

    @abstractmethod
    def forget(self, remembered: Any) -> None:
        """Replace all keys and values by those of an earlier moment."""

    def client(self, gate: Gate | None = None) -> "Client":
        """Return a client, whose commands pass the gate if there is one."""
        made = copy(self._client)
        made.gate = gate
        return made


class Client(redis.Redis):
    """A client of the model's Redis."""

    gate: Gate | None = None
    commands: ClassVar[int] = 0
    """How many commands and transactions all clients have sent."""

    def __init__(self, server: Server) -> None:
        super().__init__(connection_pool=redis.ConnectionPool(protocol=2))  # it opens no connection
        self._server = server

    def execute_command(self, *args: Any, **options: Any) -> Any:
        """Execute a command."""
        return self.passes(lambda: self.run([(args, options)], raises=True)[0], may_repeat=True)

    def register_script(self, script: Any) -> Script:
        """Return the script. Its checksum is calculated once."""
        made = Script.__new__(Script)
        vars(made).update(vars(_script(self._server, script)), registered_client=self)
        return made

    def pipeline(self, transaction: bool = True, shard_hint: str | None = None) -> "_Pipeline":
        """Return a pipeline that passes the gate when it is executed."""
        return _Pipeline(self, transaction=transaction, shard_hint=shard_hint)

    def passes(self, command: Callable[[], Any], *, may_repeat: bool) -> Any:
        """Let a command pass the gate, if there is one."""
        Client.commands += 1
        return self.gate(command, may_repeat=may_repeat) if self.gate else command()

    def run(self, commands: Sequence[tuple[Command, dict[str, Any]]], *, raises: bool) -> list[Any]:
        """Execute commands, and convert their replies as redis-py does."""
        replies = self._server.exchange([args for args, _ in commands])
        answers = []
        for (args, options), reply in zip(commands, replies, strict=True):
            if raises and isinstance(reply, Exception):
                raise reply
            options.pop("keys", None)
            # ``get`` of redis-py would make the name upper case, which it is.
            convert = None if isinstance(reply, Exception) else dict.get(self.response_callbacks, args[0])
            answers.append(convert(reply, **options) if convert else reply)
        return answers


@cache
def _script(server: Server, text: str) -> Script:
    return Script(Client(server), text)


class _Pipeline(Pipeline):
    """A pipeline. Nobody can change a key while its commands run one after the other."""

    def __init__(self, client: Client, **options: Any) -> None:
        super().__init__(client.connection_pool, client.response_callbacks, **options)
        self._owner = client

    def immediate_execute_command(self, *args: Any, **options: Any) -> Any:
        """Execute a command after WATCH, which is not sent: no other client can change the watched keys."""
        if args[0] in {"WATCH", "UNWATCH"}:
            self.watching = args[0] == "WATCH"
            return True
        return self._owner.execute_command(*args, **options)

    def execute(self, raise_on_error: bool = True) -> list[Any]:
        """Execute the commands."""
        commands = self.command_stack
        if self.scripts:
            self.load_scripts()  # type: ignore[no-untyped-call] # untyped in redis-py
        try:
            if not commands:
                return []
            run = self._owner.run
            answers: list[Any] = self._owner.passes(
                lambda: run(commands, raises=raise_on_error), may_repeat=False
            )
            return answers
        finally:
            self.reset()
