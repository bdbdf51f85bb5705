"""The reads as functions, with ``SUPABASE_URL`` and ``SUPABASE_KEY`` of the environment.

Each is one request and raises as ``Reader`` does. Whoever wants to say when the connections are
closed makes a ``Reader``; these close theirs when the event loop ends.
"""

import asyncio
import os
from collections import defaultdict
from collections.abc import AsyncGenerator
from typing import Any, NamedTuple
from weakref import WeakKeyDictionary

from dashboard.reader import Reader
from dashboard.shapes import ActiveOrder, Activity


async def get_realtime_activity(company_id: str, limit: int = 10) -> list[Activity]:
    """The company's newest activities, newest first; none where nobody knows the company.

    Raises:
        WorkerError: why nothing could be read.
    """
    return await (await _reader()).get_realtime_activity(company_id, limit)


async def get_active_orders(company_id: str, limit: int = 50) -> list[ActiveOrder]:
    """The company's newest pending orders, newest first; none where nobody knows the company.

    Raises:
        WorkerError: why nothing could be read.
    """
    return await (await _reader()).get_active_orders(company_id, limit)


async def get_orders(
    company_id: str, status: str | None = "pending", limit: int = 50
) -> list[dict[str, Any]]:
    """The rows of the company's newest orders of a status (None: of any), newest first.

    Raises:
        WorkerError: why nothing could be read.
    """
    return await (await _reader()).get_orders(company_id, status, limit)


async def get_active_session(company_id: str) -> dict[str, Any] | None:
    """The row of the company's newest open session, or None.

    Raises:
        WorkerError: why nothing could be read.
    """
    return await (await _reader()).get_active_session(company_id)


class _Lease(NamedTuple):
    """A reader, and what closes it when the event loop ends."""

    reader: Reader
    closing: AsyncGenerator[None, None]


_Leases = WeakKeyDictionary[asyncio.AbstractEventLoop, _Lease]

# By process too: a connection that a fork inherited would carry the answers of both.
_leases: defaultdict[int, _Leases] = defaultdict(WeakKeyDictionary)


async def _reader() -> Reader:
    """The reader of the running event loop: a connection serves no other."""
    leases, loop = _leases[os.getpid()], asyncio.get_running_loop()
    if loop not in leases:
        reader = Reader.from_env()
        leases[loop] = _Lease(reader, _closing(reader))
        await anext(leases[loop].closing)
    return leases[loop].reader


async def _closing(reader: Reader) -> AsyncGenerator[None, None]:
    """Once begun it is ended by the loop's ``shutdown_asyncgens``, which is ``asyncio.run``'s last act."""
    try:
        yield
    finally:
        await reader.aclose()
