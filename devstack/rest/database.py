"""Runs each request as one transaction, in the role and with the claims of its caller."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, NamedTuple

import psycopg
from psycopg import AsyncConnection, AsyncRawCursor
from psycopg.pq import TransactionStatus
from psycopg.sql import SQL, Composed
from starlette.requests import Request

from devstack.rest import PREFIX
from devstack.rest.auth import ANONYMOUS, Caller
from devstack.rest.errors import ApiError, from_postgres, no_connection

_SIZE = 10  # the default of PostgREST's db-pool
_PATIENCE = 10.0  # seconds; the default of its db-pool-acquisition-timeout

# PostgREST's documentation: "Transaction-scoped settings".
_SETTINGS = """
select set_config('transaction_read_only', $1, true), set_config('search_path', '"public"', true),
       set_config('role', $2, true), set_config('request.jwt.claims', $3, true),
       set_config('request.method', $4, true), set_config('request.path', $5, true),
       set_config('request.headers', $6, true)
"""


class Arguments(list[Any]):
    """The values of a statement."""

    def add(self, value: object) -> SQL:
        """Append a value and return its ``$n``."""
        self.append(value)
        return SQL(f"${len(self)}")


class Answer(NamedTuple):
    """The result of a statement."""

    total: int | None
    """The number of all matching rows, where it was counted."""
    rows: int
    """The number of rows in the body."""
    body: str | None
    """A JSON text."""


@dataclass(frozen=True, slots=True)
class Statement:
    """SQL with its arguments. It returns one row, an ``Answer``."""

    text: Composed
    arguments: Arguments
    read_only: bool = False
    single: bool = False
    """Whether the answer must have exactly one row; a write with another number is undone."""


class Database:
    """At most ten connections as ``authenticator``, opened when needed and kept.

    psycopg's own pool lets a request wait while PostgreSQL is away. PostgREST answers 503 at once, and so
    does this one.
    """

    def __init__(self, url: str) -> None:
        self._url = url
        self._slots = asyncio.Semaphore(_SIZE)
        self._idle: list[AsyncConnection] = []

    async def run(self, statement: Statement, caller: Caller, request: Request) -> Answer:
        """Run the statement and commit.

        Raises:
            ApiError: PostgreSQL refused it, or is away.
        """
        settings = ["on" if statement.read_only else "off", *_settings(caller, request)]
        async with self._connection() as connection:
            try:
                async with connection.pipeline(), connection.transaction():
                    await connection.execute(_SETTINGS, settings)
                    cursor = await connection.execute(statement.text, statement.arguments)
                    answer = Answer(*(await cursor.fetchone() or (None, 0, None)))
                    if statement.single and answer.rows != 1:
                        raise _not_single(answer.rows)
            except psycopg.Error as error:
                raise from_postgres(error, anonymous=caller.role == ANONYMOUS) from error
        return answer

    async def rows(self, query: str, *arguments: str) -> list[Any]:
        """Return the rows of a query that runs as ``authenticator``."""
        async with self._connection() as connection:
            try:
                async with connection.transaction():
                    return await (await connection.execute(query.encode(), arguments)).fetchall()
            except psycopg.Error as error:
                raise from_postgres(error, anonymous=False) from error

    async def close(self) -> None:
        """Close the idle connections."""
        while self._idle:
            await self._idle.pop().close()

    @asynccontextmanager
    async def _connection(self) -> AsyncIterator[AsyncConnection]:
        try:
            await asyncio.wait_for(self._slots.acquire(), _PATIENCE)
        except TimeoutError as error:
            message = "Timed out acquiring connection from connection pool."
            raise ApiError(504, "PGRST003", message) from error
        try:
            connection = self._idle.pop() if self._idle else await self._open()
            try:
                yield connection
            finally:
                await self._give_back(connection)
        finally:
            self._slots.release()

    async def _open(self) -> AsyncConnection:
        try:
            return await AsyncConnection.connect(self._url, cursor_factory=AsyncRawCursor, connect_timeout=5)
        except psycopg.OperationalError as error:
            raise no_connection(error) from error

    async def _give_back(self, connection: AsyncConnection) -> None:
        if connection.info.transaction_status == TransactionStatus.IDLE:
            self._idle.append(connection)
            return
        broken = connection.broken
        await connection.close()
        if broken:  # PostgreSQL has stopped, so the idle connections are broken too
            await self.close()


def _settings(caller: Caller, request: Request) -> list[str]:
    path = request.scope["path"].removeprefix(PREFIX)
    return [caller.role, json.dumps(caller.claims), request.method, path, json.dumps(dict(request.headers))]


def _not_single(rows: int) -> ApiError:
    details = f"The result contains {rows} rows"
    return ApiError(406, "PGRST116", "Cannot coerce the result to a single JSON object", details)
