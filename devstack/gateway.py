"""The gateway process as a server of the stack."""

import sys
from http import HTTPStatus
from pathlib import Path
from urllib.error import URLError
from urllib.request import ProxyHandler, build_opener

from devstack.server import Server

_opener = build_opener(ProxyHandler({}))  # a proxy of the environment does not apply to the loopback


def responds(url: str) -> bool:
    """Return whether a GET of this URL is answered with 200."""
    try:
        with _opener.open(url, timeout=5) as response:
            return bool(response.status == HTTPStatus.OK)
    except (URLError, OSError):
        return False


class GatewayServer(Server):
    """``devstack.rest.app``. It reads its settings from the state directory."""

    name = "the REST gateway"

    def __init__(self, directory: Path, port: int, upstream: str | None) -> None:
        """``upstream`` is the URL of a real PostgREST; None means the stand-in."""
        super().__init__(directory, port)
        self._upstream = upstream

    @property
    def url(self) -> str:
        """The value of ``SUPABASE_URL``."""
        return f"http://127.0.0.1:{self.port}"

    def prepare(self) -> None:
        """Create its directory."""
        self.directory.mkdir(parents=True, exist_ok=True)

    def command(self) -> list[str]:
        """Return the command line, which names the directory."""
        upstream = [self._upstream] if self._upstream else []
        return [sys.executable, "-m", "devstack.rest.app", str(self.directory), *upstream]

    def answers(self) -> bool:
        """Return whether it reaches what it needs."""
        return responds(f"{self.url}/ready")
