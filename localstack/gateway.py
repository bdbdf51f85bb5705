"""The REST gateway: PostgREST's paths under `/rest/v1/`, spoken by an ASGI application.

For local use and tests only, never for production: it exists because no PostgREST stands in the
package registries. It speaks what this project and its shops' owners use; whatever else is asked
of it answers 501 and says so. Point production at a real Supabase project or PostgREST.
"""

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import uvicorn
from psycopg.conninfo import make_conninfo
from pydantic_core import from_json
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from localstack import functions, statements
from localstack.auth import Authenticator
from localstack.catalogue import Catalogue
from localstack.connections import Connections
from localstack.errors import ApiError, bad_body, unsupported
from localstack.negotiation import Wishes, check_content_type, wishes
from localstack.query import Query, parse
from localstack.state import State
from localstack.transaction import Answer, Context, Statement, run

_PREFIX = "/rest/v1"
_METHODS = ["GET", "HEAD", "POST", "PATCH", "DELETE", "PUT", "OPTIONS"]
_KEEP_ALIVE = 75  # seconds; longer than any client keeps a connection for reuse


@dataclass(frozen=True, slots=True)
class Exchange:
    """One request on the way to its answer."""

    request: Request
    context: Context
    connections: Connections
    catalogue: Catalogue
    wishes: Wishes

    async def run(self, statement: Statement) -> Answer:
        """Run the statement as the caller."""
        return await run(self.connections, statement, self.context)

    def query(self, *, arguments: bool = False) -> Query:
        """The query string, parsed."""
        return parse(self.request.query_params.multi_items(), arguments=arguments)

    def response(self, status: int, answer: Answer, first: int, last: int) -> Response:
        """The answer's body with its place in the whole (`Content-Range`)."""
        headers = {
            "Content-Range": _content_range(first, last, answer.total if self.wishes.counted else None)
        }
        if answer.body is None:
            return Response(status_code=status, headers=headers)
        body = b"" if self.request.method == "HEAD" else answer.body.encode()
        return Response(body, status, headers | {"Content-Type": self.wishes.content_type})


class Gateway:
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
        """200 once the catalogue can be read, which it is: nothing older is served after this."""
        await self._catalogue.load()
        return Response()

    async def answer(self, request: Request) -> Response:
        """Everything below `/rest/v1/`."""
        caller = self._authenticator.caller(request.headers)
        path = request.url.path.removeprefix(_PREFIX)
        context = Context(caller, request.method, path, request.headers, request.cookies)
        exchange = Exchange(request, context, self._connections, self._catalogue, wishes(request.headers))
        return await _dispatch(exchange, [unquote(part) for part in path.strip("/").split("/")])

    @asynccontextmanager
    async def _lifespan(self, app: Starlette) -> AsyncIterator[None]:
        listening = asyncio.create_task(self._catalogue.keep_fresh())
        yield
        listening.cancel()
        await self._connections.close()


async def _dispatch(exchange: Exchange, path: list[str]) -> Response:
    method = exchange.request.method
    match path:
        case [""]:
            raise unsupported("the OpenAPI description")
        case ["rpc", name]:
            return await _call(exchange, name)
        case [table]:
            return await _on_table(exchange, table, method)
    raise ApiError(404, "PGRST125", "Invalid path specified in request URL")


async def _on_table(exchange: Exchange, table: str, method: str) -> Response:
    match method:
        case "GET" | "HEAD":
            return await _read(exchange, table)
        case "POST":
            return await _insert(exchange, table)
        case "PATCH":
            return await _update(exchange, table)
        case "DELETE":
            return await _delete(exchange, table)
    raise unsupported(f"the method {method}")


async def _read(exchange: Exchange, name: str) -> Response:
    table, query, wished = await exchange.catalogue.table(name), exchange.query(), exchange.wishes
    statement = statements.select(table, query, counted=wished.counted, singular=wished.singular)
    return _page(exchange, query, await exchange.run(statement))


def _page(exchange: Exchange, query: Query, answer: Answer) -> Response:
    first, total = query.offset, answer.total
    if total is not None and first > total:
        details = f"An offset of {first} was requested, but there are only {total} rows."
        raise ApiError(416, "PGRST103", "Requested range not satisfiable", details=details)
    status = 206 if total is not None and answer.rows < total else 200
    return exchange.response(status, answer, first, first + answer.rows - 1)


async def _insert(exchange: Exchange, name: str) -> Response:
    body, query = await _body(exchange.request), exchange.query()
    columns = set(query.columns) if query.columns is not None else _uniform_keys(_json(body))
    table = await exchange.catalogue.table(name, columns)
    answer = await exchange.run(statements.insert(table, columns, body, query, _reply(exchange)))
    return exchange.response(201, answer, 1, 0)


async def _update(exchange: Exchange, name: str) -> Response:
    body, query = await _body(exchange.request), exchange.query()
    value = _json(body)
    if not isinstance(value, dict):
        raise unsupported("an update with anything but one object")
    table = await exchange.catalogue.table(name, value)
    _demand_filters(query, "UPDATE")
    reply = _reply(exchange)
    statement = statements.update(table, value, body, query, reply) if value else statements.unchanged()
    return _written(exchange, await exchange.run(statement), first=0)


async def _delete(exchange: Exchange, name: str) -> Response:
    table, query = await exchange.catalogue.table(name), exchange.query()
    _demand_filters(query, "DELETE")
    answer = await exchange.run(statements.delete(table, query, _reply(exchange)))
    return _written(exchange, answer, first=None)


def _written(exchange: Exchange, answer: Answer, first: int | None) -> Response:
    body = answer.body if exchange.wishes.representation else None
    range_ = (1, 0) if first is None else (first, answer.rows - 1)
    return exchange.response(204 if body is None else 200, answer._replace(body=body), *range_)


def _demand_filters(query: Query, verb: str) -> None:
    """Hosted Supabase loads `safeupdate` for its API roles."""
    if query.order or query.limit is not None or query.offset:
        raise unsupported(f"{verb} with order, limit or offset")
    if not query.filters:
        raise ApiError(400, "21000", f"{verb} requires a WHERE clause")


def _reply(exchange: Exchange) -> statements.Reply:
    wished = exchange.wishes
    return statements.Reply(representation=wished.representation, singular=wished.singular)


async def _call(exchange: Exchange, name: str) -> Response:
    method, wished = exchange.request.method, exchange.wishes
    if method not in {"GET", "HEAD", "POST"}:
        raise ApiError(405, "PGRST101", f"Cannot use the {method} method on RPC")
    query = exchange.query(arguments=method != "POST")
    call = await _arguments(exchange.request, name, query)
    routine = await functions.resolve(exchange.catalogue, call)
    statement = functions.statement(routine, call, query, counted=wished.counted, singular=wished.singular)
    answer = await exchange.run(statement)
    if routine.returns_void:
        return exchange.response(204, answer, 0, answer.rows - 1)
    return _page(exchange, query, answer)


async def _arguments(request: Request, name: str, query: Query) -> functions.Call:
    if request.method != "POST":
        return functions.Call(name, frozenset(query.arguments), texts=query.arguments)
    body = await _body(request) or b"{}"
    value = _json(body)
    if not isinstance(value, dict):
        raise unsupported("calls with anything but one object of named arguments")
    return functions.Call(name, frozenset(value), body=body)


async def _body(request: Request) -> bytes:
    check_content_type(request.headers)
    return await request.body()


def _json(body: bytes) -> Any:
    try:
        return from_json(body, allow_inf_nan=False)
    except ValueError as error:
        raise bad_body("Empty or invalid json") from error


def _uniform_keys(value: Any) -> set[str]:
    """The keys that every object of the body has."""
    rows = value if isinstance(value, list) else [value]
    if not all(isinstance(row, dict) and row.keys() == rows[0].keys() for row in rows):
        raise bad_body("All object keys must match")
    return set(rows[0]) if rows else set()


def _content_range(first: int, last: int, total: int | None) -> str:
    rows = f"{first}-{last}" if first <= last and total != 0 else "*"
    return f"{rows}/{'*' if total is None else total}"


async def _refuse(request: Request, error: Exception) -> Response:
    assert isinstance(error, ApiError)
    return error.response()


def serve(directory: Path) -> None:
    """Serve the stack of which `directory` is the gateway's own, until a signal comes."""
    state = State.load(directory.parent)
    secrets, ports = state.secrets, state.ports
    database_url = make_conninfo(
        host="127.0.0.1",
        port=ports.postgres,
        dbname="postgres",
        user="authenticator",
        password=secrets.authenticator_password,
    )
    keys = {secrets.secret_key: "service_role", secrets.publishable_key: "anon"}
    application = Gateway(database_url, Authenticator(secrets.jwt_secret, keys)).application()
    uvicorn.run(
        application,
        host="127.0.0.1",
        port=ports.gateway,
        log_level="warning",
        access_log=False,
        timeout_keep_alive=_KEEP_ALIVE,
        timeout_graceful_shutdown=2,
    )


if __name__ == "__main__":
    serve(Path(sys.argv[1]))
