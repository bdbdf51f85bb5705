"""Waits for the result of another thread until a deadline."""

import asyncio
import time
from concurrent.futures import Future

from events.errors import PublishError


def wait(future: Future[None], deadline: float, late: type[PublishError]) -> None:
    """Wait until the future is done.

    Raises:
        PublishError: ``late`` at the deadline (of the monotonic clock), or the error of the future.
    """
    try:
        future.result(max(0.0, deadline - time.monotonic()))
    except TimeoutError:
        _give_up(future, late)


async def wait_async(future: Future[None], deadline: float, late: type[PublishError]) -> None:
    """Do the same as ``wait`` without blocking the event loop."""
    # Not `wait_for`: in Python 3.11 it ignores a cancellation that comes together with the result.
    try:
        async with asyncio.timeout(deadline - time.monotonic()):
            await asyncio.wrap_future(future)
    except TimeoutError:
        _give_up(future, late)


def _give_up(future: Future[None], late: type[PublishError]) -> None:
    """Stop waiting. A busy event loop may report the timeout although the result is already there."""
    if future.cancel() or not future.done():
        raise late from None
    future.result()
