"""The server that runs it: waitress, which is made for production, in one process with threads."""

import os
import signal
import sys
from types import FrameType
from typing import Any, NoReturn

import waitress  # type: ignore[import-untyped]

from gateway.errors import CannotListen

_LARGEST = 65_536  # bytes of a request: none of ours has content


def listening(app: Any, bind: str, port: int) -> Any:
    """A server that answers when it is run, until SIGTERM or SIGINT.

    Raises:
        CannotListen: the port is taken, for example.
    """
    try:
        server = waitress.create_server(app, host=bind, port=port, ident=None, max_request_body_size=_LARGEST)
    except (OSError, ValueError) as error:
        raise CannotListen(bind, port, _why(error)) from None
    signal.signal(signal.SIGTERM, _end)
    return server


def addresses(server: Any) -> list[str]:
    """Where it listens: more than one where a name means several addresses."""
    places = getattr(server, "effective_listen", [(server.effective_host, server.effective_port)])
    return [f"[{host}]:{port}" if ":" in host else f"{host}:{port}" for host, port in places]


def _why(error: Exception) -> str:
    return os.strerror(error.errno) if isinstance(error, OSError) and error.errno else "no such address"


def _end(_: int, __: FrameType | None) -> NoReturn:
    """Waitress ends in good order at this exception."""
    sys.exit(0)
