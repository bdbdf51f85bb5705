"""The gateway process: ``/rest/v1/…``, answered by the stand-in or by a real PostgREST.

Like the gateway of hosted Supabase it finds the JWT in the headers, also for opaque API keys.
"""

import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Protocol

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from devstack.rest import PREFIX
from devstack.rest.credentials import Credentials
from devstack.rest.errors import ApiError
from devstack.rest.proxy import Proxy
from devstack.rest.standin import StandIn
from devstack.state import StackState

_METHODS = ["GET", "HEAD", "POST", "PATCH", "DELETE", "PUT", "OPTIONS"]
_KEEP_ALIVE = 75  # seconds; longer than clients keep an idle connection


class Backend(Protocol):
    """What answers the requests."""

    async def ready(self) -> None:
        """Return when it can answer."""

    async def answer(self, request: Request, token: str | None) -> Response:
        """Answer a request with this JWT."""

    async def close(self) -> None:
        """Close its connections."""


def application(backend: Backend, credentials: Credentials) -> Starlette:
    """Return the ASGI application."""

    async def ready(request: Request) -> Response:
        await backend.ready()
        return Response()

    async def answer(request: Request) -> Response:
        return await backend.answer(request, credentials.token(request.headers))

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        yield
        await backend.close()

    routes = [Route("/ready", ready), Route(f"{PREFIX}/{{path:path}}", answer, methods=_METHODS)]
    return Starlette(routes=routes, lifespan=lifespan, exception_handlers={ApiError: _refuse})


async def _refuse(request: Request, error: Exception) -> Response:
    if not isinstance(error, ApiError):
        raise error
    return error.response()


def serve(directory: Path, upstream: str | None) -> None:
    """Serve the stack whose gateway has this directory, until a signal comes.

    ``upstream`` is the URL of a real PostgREST; None means the stand-in.
    """
    state = StackState.load(directory.parent)
    secrets = state.secrets
    backend = Proxy(upstream) if upstream else StandIn(state.authenticator_url, secrets.jwt_secret)
    keys = {secrets.secret_key: secrets.service_key, secrets.publishable_key: secrets.anon_key}
    uvicorn.run(
        application(backend, Credentials(keys)),
        host="127.0.0.1",
        port=state.ports.gateway,
        log_level="warning",
        access_log=False,
        timeout_keep_alive=_KEEP_ALIVE,
        timeout_graceful_shutdown=2,
    )


if __name__ == "__main__":
    serve(Path(sys.argv[1]), sys.argv[2] if sys.argv[2:] else None)
