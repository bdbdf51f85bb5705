"""The gateway's connections to PostgreSQL.

psycopg's own pool lets a request wait while the server is away. PostgREST's connects when it has
to and says at once that it cannot, and that is what its callers see.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import psycopg
from psycopg import AsyncConnection, AsyncRawCursor
from psycopg.pq import TransactionStatus

from devstack.rest.errors import no_connection, pool_timeout

_SIZE = 10  # PostgREST's default db-pool
_PATIENCE = 10.0  # seconds; PostgREST's default db-pool-acquisition-timeout


class Connections:
    """At most ten connections, opened when needed and kept for the next request."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._slots = asyncio.Semaphore(_SIZE)
        self._idle: list[AsyncConnection] = []

    @asynccontextmanager
    async def take(self) -> AsyncIterator[AsyncConnection]:
        """Lend one out, for one transaction."""
        await self._slot()
        try:
            connection = self._idle.pop() if self._idle else await self.open()
            try:
                yield connection
            finally:
                await self._give_back(connection)
        finally:
            self._slots.release()

    async def open(self) -> AsyncConnection:
        """A connection outside the pool, for whom it lasts."""
        try:
            return await AsyncConnection.connect(
                self._url,
                cursor_factory=AsyncRawCursor,
                application_name="devstack gateway",
                connect_timeout=5,
            )
        except psycopg.OperationalError as error:
            raise no_connection(error) from error

    async def close(self) -> None:
        """Close those that nobody uses."""
        while self._idle:
            await self._idle.pop().close()

    async def _slot(self) -> None:
        try:
            async with asyncio.timeout(_PATIENCE):
                await self._slots.acquire()
        except TimeoutError as error:
            raise pool_timeout() from error

    async def _give_back(self, connection: AsyncConnection) -> None:
        if connection.info.transaction_status == TransactionStatus.IDLE:
            self._idle.append(connection)
            return
        broken = connection.broken
        await connection.close()
        if broken:  # the server went away, and the idle connections with it
            await self.close()
