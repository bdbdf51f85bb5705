"""The REST gateway: PostgREST's paths under `/rest/v1/`, spoken by an ASGI application.

For local use and tests only, never for production: it exists because no PostgREST stands in the
package registries. It speaks what this project and its shops' owners use; whatever else is asked
of it answers 501 and says so. Point production at a real Supabase project or PostgREST.
"""

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from urllib.parse import unquote

import uvicorn
from psycopg.conninfo import make_conninfo
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from devstack.rest import functions, tables
from devstack.rest.auth import Authenticator
from devstack.rest.catalogue import Catalogue
from devstack.rest.connections import Connections
from devstack.rest.errors import ApiError, unsupported
from devstack.rest.exchange import Exchange, parse_json
from devstack.rest.negotiation import wishes
from devstack.rest.query import Query
from devstack.rest.transaction import Context
from devstack.state import StackState

_PREFIX = "/rest/v1"
_METHODS = ["GET", "HEAD", "POST", "PATCH", "DELETE", "PUT", "OPTIONS"]
_KEEP_ALIVE = 75  # seconds; longer than clients keep a connection for reuse


class RestApp:
    """The application's two routes and what they share."""

    def __init__(self, database_url: str, authenticator: Authenticator) -> None:
        self._connections = Connections(database_url)
        self._catalogue = Catalogue(self._connections)
        self._authenticator = authenticator

    def application(self) -> Starlette:
        """The ASGI application."""
        routes = [
            Route("/ready", self.ready),
            Route(f"{_PREFIX}/{{path:path}}", self.answer, methods=_METHODS),
        ]
        return Starlette(routes=routes, lifespan=self._lifespan, exception_handlers={ApiError: _refuse})

    async def ready(self, request: Request) -> Response:
        """200 once the catalogue has been read: nothing older than this request is served after it."""
        await self._catalogue.load()
        return Response()

    async def answer(self, request: Request) -> Response:
        """Everything below `/rest/v1/`."""
        caller = self._authenticator.caller(request.headers)
        path = request.scope["path"].removeprefix(_PREFIX)
        context = Context(caller, request.method, path, request.headers, request.cookies)
        exchange = Exchange(request, context, wishes(request.headers), self._connections, self._catalogue)
        return await _dispatch(exchange, [unquote(part) for part in path.strip("/").split("/")])

    @asynccontextmanager
    async def _lifespan(self, app: Starlette) -> AsyncIterator[None]:
        listening = asyncio.create_task(self._catalogue.keep_fresh())
        yield
        listening.cancel()
        with suppress(asyncio.CancelledError):
            await listening
        await self._connections.close()


async def _dispatch(exchange: Exchange, path: list[str]) -> Response:
    match path:
        case [""]:
            raise unsupported("the OpenAPI description")
        case [table]:
            return await tables.answer(exchange, table)
        case ["rpc", name]:
            return await _call(exchange, name)
    raise ApiError(404, "PGRST125", "Invalid path specified in request URL")


async def _call(exchange: Exchange, name: str) -> Response:
    if exchange.method not in {"GET", "HEAD", "POST"}:
        raise ApiError(405, "PGRST101", f"Cannot use the {exchange.method} method on RPC")
    query = exchange.query(arguments=exchange.method != "POST")
    call = await _arguments(exchange, name, query)
    routine = await functions.resolve(exchange.catalogue, call)
    answer = await exchange.run(functions.statement(routine, call, query, exchange.wishes))
    if routine.returns_void:
        return exchange.response(204, answer, range(answer.rows))
    return exchange.page(query, answer)


async def _arguments(exchange: Exchange, name: str, query: Query) -> functions.RpcCall:
    if exchange.method != "POST":
        return functions.RpcCall(name, frozenset(query.arguments), texts=query.arguments)
    body = await exchange.body() or b"{}"
    value = parse_json(body)
    if not isinstance(value, dict):
        raise unsupported("calls with anything but one object of named arguments")
    return functions.RpcCall(name, frozenset(value), body=body)


async def _refuse(request: Request, error: Exception) -> Response:
    if not isinstance(error, ApiError):
        raise error
    return error.response()


def serve(directory: Path) -> None:
    """Serve the stack of which `directory` is the gateway's own, until a signal comes."""
    state = StackState.load(directory.parent)
    secrets, ports = state.secrets, state.ports
    database_url = make_conninfo(
        host="127.0.0.1",
        port=ports.postgres,
        dbname="postgres",
        user="authenticator",
        password=secrets.authenticator_password,
    )
    keys = {secrets.secret_key: "service_role", secrets.publishable_key: "anon"}
    uvicorn.run(
        RestApp(database_url, Authenticator(secrets.jwt_secret, keys)).application(),
        host="127.0.0.1",
        port=ports.gateway,
        log_level="warning",
        access_log=False,
        timeout_keep_alive=_KEEP_ALIVE,
        timeout_graceful_shutdown=2,
    )


if __name__ == "__main__":
    serve(Path(sys.argv[1]))
