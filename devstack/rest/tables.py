"""Requests on a table or view: read, insert, update, delete."""

import re
from collections.abc import Iterable
from typing import Any

from psycopg.sql import SQL, Composable, Composed, Identifier
from starlette.responses import Response

from devstack.rest.call import Call
from devstack.rest.database import Answer, Arguments, Statement
from devstack.rest.errors import ApiError, unsupported
from devstack.rest.query import Query, parse

_ROWS = SQL("coalesce(json_agg(_row), '[]')::text")
_UNKNOWN_COLUMN = re.compile(r'column (?:_body\.(.+)|"(.+)" of relation ".+") does not exist')  # of a body


async def answer(call: Call, table: str) -> Response:
    """Answer a request on the table.

    Raises:
        ApiError: what PostgREST would answer.
    """
    actions = {"GET": _read, "HEAD": _read, "POST": _insert, "PATCH": _update, "DELETE": _delete}
    action = actions.get(call.request.method)
    if action is None:
        raise unsupported(f"the method {call.request.method}")
    try:
        return await action(call, table)
    except ApiError as error:
        if (error.code, error.message) == ("42P01", f'relation "public.{table}" does not exist'):
            message = f"Could not find the table 'public.{table}' in the schema cache"
            raise ApiError(404, "PGRST205", message) from error
        if error.code == "42703" and (unknown := _UNKNOWN_COLUMN.fullmatch(error.message)):
            column = unknown[1] or unknown[2]
            message = f"Could not find the '{column}' column of '{table}' in the schema cache"
            raise ApiError(400, "PGRST204", message) from error
        raise


async def _read(call: Call, table: str) -> Response:
    arguments = Arguments()
    query, name = parse(table, call.pairs, arguments), Identifier("public", table)
    total = SQL("(select count(*) from {}{})") if call.wishes.counted else SQL("null::bigint")
    page = SQL("select {} from {}{}{}").format(query.selection, name, query.where, query.order_and_page)
    text = SQL("select {}, count(*), {} from ({}) as _row").format(
        total.format(name, query.where), _ROWS, page
    )
    statement = Statement(text, arguments, read_only=True, single=call.wishes.single)
    found = await call.run(statement)
    if found.total is not None and query.offset > found.total:
        details = f"An offset of {query.offset} was requested, but there are only {found.total} rows."
        raise ApiError(416, "PGRST103", "Requested range not satisfiable", details)
    status = 206 if found.total is not None and found.rows < found.total else 200
    return call.response(status, found, first=query.offset)


async def _insert(call: Call, table: str) -> Response:
    text, value = await call.document()
    arguments, rows = Arguments(), value if isinstance(value, list) else [value]
    query = parse(table, call.pairs, arguments)
    columns = _names(query.columns or _common_keys(rows))
    into = SQL("({})").format(columns) if query.columns or any(rows) else SQL("")
    write = SQL("insert into {} {} select {} from {}").format(
        Identifier("public", table), into, columns, _body(table, text, arguments)
    )
    return call.response(201, await _written(call, write, query, arguments))


async def _update(call: Call, table: str) -> Response:
    text, value = await call.document()
    if not isinstance(value, dict) or not value:
        raise unsupported("an update with anything but one object of columns")
    arguments = Arguments()
    query = _filtered(call, table, "UPDATE", arguments)
    changes = SQL(", ").join(SQL("{0} = _body.{0}").format(Identifier(name)) for name in value)
    write = SQL("update {} set {} from {}{}").format(
        Identifier("public", table), changes, _body(table, text, arguments), query.where
    )
    return _changed(call, await _written(call, write, query, arguments), first=0)


async def _delete(call: Call, table: str) -> Response:
    arguments = Arguments()
    query = _filtered(call, table, "DELETE", arguments)
    write = SQL("delete from {}{}").format(Identifier("public", table), query.where)
    return _changed(call, await _written(call, write, query, arguments))


def _filtered(call: Call, table: str, verb: str, arguments: Arguments) -> Query:
    """Refuse a write without a filter, as hosted Supabase does by its extension ``safeupdate``."""
    query = parse(table, call.pairs, arguments)
    if not query.filtered:
        raise ApiError(400, "21000", f"{verb} requires a WHERE clause")
    return query


def _common_keys(rows: list[Any]) -> Iterable[str]:
    if not all(isinstance(row, dict) and row.keys() == rows[0].keys() for row in rows):
        raise ApiError(400, "PGRST102", "All object keys must match")
    return rows[0] if rows else ()


def _names(columns: Iterable[str]) -> Composed:
    return SQL(", ").join(map(Identifier, columns))


def _body(table: str, text: str, arguments: Arguments) -> Composed:
    """Return the rows of a JSON text, cast to the types of the table's columns."""
    rows = text if text.lstrip().startswith("[") else f"[{text}]"
    function = SQL("json_populate_recordset(null::{}, {}::json) as _body")
    return function.format(Identifier("public", table), arguments.add(rows))


async def _written(call: Call, write: Composable, query: Query, arguments: Arguments) -> Answer:
    representation = call.wishes.representation
    returned = query.selection if representation else SQL("1")
    body = _ROWS if representation else SQL("null::text")
    text = SQL("with _row as ({} returning {}) select count(*), count(*), {} from _row")
    statement = Statement(text.format(write, returned, body), arguments, single=call.wishes.single)
    return await call.run(statement)


def _changed(call: Call, answer: Answer, first: int | None = None) -> Response:
    return call.response(200 if call.wishes.representation else 204, answer, first)
