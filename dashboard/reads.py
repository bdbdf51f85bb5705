"""The reads as functions, which use ``SUPABASE_URL`` and ``SUPABASE_KEY`` of the environment.

Each function sends one request and raises the same errors as ``Reader``. The connections are closed when the
event loop ends. To close them earlier, use a ``Reader``.
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
    """Return the company's newest activities, newest first; an empty list if the company is unknown.

    Raises:
        WorkerError: nothing could be read, for this reason.
    """
    return await (await _reader()).get_realtime_activity(company_id, limit)


async def get_active_orders(company_id: str, limit: int = 50) -> list[ActiveOrder]:
    """Return the company's newest pending orders, newest first; an empty list if the company is unknown.

    Raises:
        WorkerError: nothing could be read, for this reason.
    """
    return await (await _reader()).get_active_orders(company_id, limit)


async def get_orders(
    company_id: str, status: str | None = "pending", limit: int = 50
) -> list[dict[str, Any]]:
    """Return the rows of the company's newest orders with a status (None: any status), newest first.

    Raises:
        WorkerError: nothing could be read, for this reason.
    """
    return await (await _reader()).get_orders(company_id, status, limit)


async def get_active_session(company_id: str) -> dict[str, Any] | None:
    """Return the row of the company's newest open session, or None.

    Raises:
        WorkerError: nothing could be read, for this reason.
    """
    return await (await _reader()).get_active_session(company_id)


class _Open(NamedTuple):
    """A reader and the generator that closes it when the event loop ends."""

    reader: Reader
    closing: AsyncGenerator[None, None]


_Readers = WeakKeyDictionary[asyncio.AbstractEventLoop, _Open]

# By process too, because a forked child must not use the connections of its parent.
_readers: defaultdict[int, _Readers] = defaultdict(WeakKeyDictionary)


async def _reader() -> Reader:
    """Return the reader of the running event loop, because a connection works in one loop only."""
    readers, loop = _readers[os.getpid()], asyncio.get_running_loop()
    if loop not in readers:
        reader = Reader.from_env()
        readers[loop] = _Open(reader, _closing(reader))
        await anext(readers[loop].closing)
    return readers[loop].reader


async def _closing(reader: Reader) -> AsyncGenerator[None, None]:
    """Close the reader when the loop ends: ``asyncio.run`` calls ``shutdown_asyncgens``, which ends this."""
    try:
        yield
    finally:
        await reader.aclose()
