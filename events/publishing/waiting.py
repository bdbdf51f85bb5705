"""Waits for what another thread does, until a deadline."""

import asyncio
import time
from concurrent.futures import Future

from events.errors import PublishError


def wait(future: Future[None], deadline: float, late: type[PublishError]) -> None:
    """Wait until it is done.

    Raises:
        PublishError: ``late``, if it is not done at the deadline (of the monotonic clock), or its own error.
    """
    try:
        future.result(max(0.0, deadline - time.monotonic()))
    except TimeoutError:
        _leave(future, late)


async def wait_async(future: Future[None], deadline: float, late: type[PublishError]) -> None:
    """As ``wait``, without blocking the event loop."""
    try:
        await asyncio.wait_for(asyncio.wrap_future(future), max(0.0, deadline - time.monotonic()))
    except TimeoutError:
        _leave(future, late)


def _leave(future: Future[None], late: type[PublishError]) -> None:
    """Wait no longer. A busy event loop may hear of the time being over before it hears of the answer."""
    if future.cancel() or not future.done():
        raise late from None
    future.result()
