"""Requests on a table or view: read, insert, update, delete."""

from collections.abc import Collection
from typing import Any

from starlette.responses import Response

from devstack.rest import statements
from devstack.rest.errors import ApiError, bad_body, unsupported
from devstack.rest.exchange import Exchange, parse_json
from devstack.rest.query import Query

_NO_ROWS = range(0)


async def answer(exchange: Exchange, name: str) -> Response:
    """Answer a request on the table of that name."""
    match exchange.method:
        case "GET" | "HEAD":
            return await _read(exchange, name)
        case "POST":
            return await _insert(exchange, name)
        case "PATCH":
            return await _update(exchange, name)
        case "DELETE":
            return await _delete(exchange, name)
    raise unsupported(f"the method {exchange.method}")


async def _read(exchange: Exchange, name: str) -> Response:
    table, query = await exchange.catalogue.table(name), exchange.query()
    return exchange.page(query, await exchange.run(statements.select(table, query, exchange.wishes)))


async def _insert(exchange: Exchange, name: str) -> Response:
    body, query = await exchange.body(), exchange.query()
    columns = _uniform_keys(parse_json(body)) if query.columns is None else query.columns
    table = await exchange.catalogue.table(name, columns)
    statement = statements.insert(table, columns, body, query, exchange.wishes)
    return exchange.response(201, await exchange.run(statement), _NO_ROWS)


async def _update(exchange: Exchange, name: str) -> Response:
    body, query = await exchange.body(), exchange.query()
    value = parse_json(body)
    if not isinstance(value, dict):
        raise unsupported("an update with anything but one object")
    table = await exchange.catalogue.table(name, value)
    _check_conditions(query, "UPDATE")
    answer = await exchange.run(statements.update(table, value, body, query, exchange.wishes))
    return exchange.written(answer, range(answer.rows))


async def _delete(exchange: Exchange, name: str) -> Response:
    table, query = await exchange.catalogue.table(name), exchange.query()
    _check_conditions(query, "DELETE")
    answer = await exchange.run(statements.delete(table, query, exchange.wishes))
    return exchange.written(answer, _NO_ROWS)


def _check_conditions(query: Query, verb: str) -> None:
    """Hosted Supabase loads `safeupdate` for the roles of its API."""
    if query.order or query.limit is not None or query.offset:
        raise unsupported(f"{verb} with order, limit or offset")
    if not query.filters:
        raise ApiError(400, "21000", f"{verb} requires a WHERE clause")


def _uniform_keys(value: Any) -> Collection[str]:
    """The keys that every object of the body has."""
    rows = value if isinstance(value, list) else [value]
    if not all(isinstance(row, dict) and row.keys() == rows[0].keys() for row in rows):
        raise bad_body("All object keys must match")
    return rows[0].keys() if rows else ()
