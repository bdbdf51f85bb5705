"""Runs the dashboard with waitress, a production server: one process with threads."""

import os
import signal
import sys
from types import FrameType
from typing import Any, NoReturn

import waitress  # type: ignore[import-untyped]

from operations.errors import CannotListen

_LARGEST = 65_536  # bytes of a request's body, at most; the dashboard's own requests have none


def listening(app: Any, bind: str, port: int) -> Any:
    """Create a server that listens; when it is run, it answers until SIGTERM or SIGINT.

    Raises:
        CannotListen: it cannot listen there, for example because the port is in use.
    """
    try:
        server = waitress.create_server(app, host=bind, port=port, ident=None, max_request_body_size=_LARGEST)
    except (OSError, ValueError) as error:
        raise CannotListen(bind, port, _why(error), ("--bind", "--port")) from None
    signal.signal(signal.SIGTERM, _end)
    return server


def addresses(server: Any) -> list[str]:
    """Return the addresses on which the server listens; a host name may have several."""
    places = getattr(server, "effective_listen", [(server.effective_host, server.effective_port)])
    return [f"[{host}]:{port}" if ":" in host else f"{host}:{port}" for host, port in places]


def _why(error: Exception) -> str:
    return os.strerror(error.errno) if isinstance(error, OSError) and error.errno else "no such address"


def _end(_: int, __: FrameType | None) -> NoReturn:
    """End the process; waitress shuts down cleanly at this exception."""
    sys.exit(0)
