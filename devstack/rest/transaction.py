"""One request is one transaction, in the role and with the claims of its caller."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import psycopg
from psycopg import AsyncConnection
from psycopg.sql import Composed

from devstack.rest.auth import Caller
from devstack.rest.connections import Connections
from devstack.rest.errors import encode, from_postgres, not_singular

_SETTINGS = """
select set_config('search_path', '"public"', true),
       set_config('role', $1, true),
       set_config('request.jwt.claims', $2, true),
       set_config('request.method', $3, true),
       set_config('request.path', $4, true),
       set_config('request.headers', $5, true),
       set_config('request.cookies', $6, true)
"""


class Answer(NamedTuple):
    """What a statement yields: the rows there are (if counted), the rows in the body, the body."""

    total: int | None
    rows: int
    body: str | None


@dataclass(frozen=True, slots=True)
class Statement:
    """SQL that yields one row, an `Answer`, with its `$n` arguments."""

    text: Composed
    arguments: list[Any]
    read_only: bool = False
    singular: bool = False


@dataclass(frozen=True, slots=True)
class Context:
    """What the database may know about a request (PostgREST: "Transaction-scoped settings")."""

    caller: Caller
    method: str
    path: str
    headers: Mapping[str, str]
    cookies: Mapping[str, str]

    def settings(self) -> list[str]:
        """The values of the settings above, in their order."""
        caller = self.caller
        headers = {name: value for name, value in self.headers.items() if name != "cookie"}
        documents = [encode(value).decode() for value in (headers, self.cookies)]
        claims = encode(caller.claims | {"role": caller.role}).decode()
        return [caller.role, claims, self.method, self.path, *documents]


async def run(connections: Connections, statement: Statement, context: Context) -> Answer:
    """Run the statement and commit, or say why not."""
    async with connections.take() as connection:
        try:
            return await _transact(connection, statement, context.settings())
        except psycopg.Error as error:
            raise from_postgres(error, authenticated=context.caller.authenticated) from error


async def _transact(connection: AsyncConnection, statement: Statement, settings: list[str]) -> Answer:
    await connection.set_read_only(statement.read_only)
    async with connection.pipeline(), connection.transaction():
        await connection.execute(_SETTINGS, settings)
        cursor = await connection.execute(statement.text, statement.arguments)
        answer = Answer(*(await cursor.fetchone() or (None, 0, None)))
        if statement.singular and answer.rows != 1:
            raise not_singular(answer.rows)  # and undoes what a write did
    return answer
