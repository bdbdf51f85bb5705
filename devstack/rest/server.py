"""The REST gateway as a process of its own."""

import sys
from http import HTTPStatus
from urllib.error import URLError
from urllib.request import ProxyHandler, build_opener

from devstack.server import Server

_opener = build_opener(ProxyHandler({}))  # a proxy in the environment is not for the loopback


class GatewayServer(Server):
    """`devstack.rest.app`, which reads the rest of its settings from the state directory."""

    name = "the REST gateway"

    @property
    def url(self) -> str:
        """What goes into `SUPABASE_URL`."""
        return f"http://127.0.0.1:{self.port}"

    def prepare(self) -> None:
        """Make its directory and files where they are missing."""
        self.directory.mkdir(parents=True, exist_ok=True)

    def command(self) -> list[str]:
        """The command line; it names the directory."""
        return [sys.executable, "-m", "devstack.rest.app", str(self.directory)]

    def answers(self) -> bool:
        """Whether it has read the catalogue."""
        try:
            with _opener.open(f"{self.url}/ready", timeout=5) as response:
                return bool(response.status == HTTPStatus.OK)
        except (URLError, OSError):
            return False
