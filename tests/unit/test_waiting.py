"""The wait for the result of another thread."""

import asyncio
import time
from concurrent.futures import Future

import pytest

from events.errors import PublishError
from events.publishing.waiting import wait_async


def test_a_cancellation_that_comes_with_the_result_is_not_ignored() -> None:
    """A caller who is cancelled ends, as ``asyncio.timeout`` and ``TaskGroup`` of the host expect."""

    async def host() -> None:
        future: Future[None] = Future()
        caller = asyncio.create_task(wait_async(future, time.monotonic() + 60, PublishError))
        await asyncio.sleep(0)
        future.set_result(None)
        await asyncio.sleep(0)  # the result is in the loop, and the caller has not run yet
        caller.cancel()
        with pytest.raises(asyncio.CancelledError):
            await caller

    asyncio.run(host())


def test_a_result_that_is_there_at_the_deadline_counts() -> None:
    """A busy event loop looks at it too late; the event is confirmed all the same."""
    future: Future[None] = Future()
    future.set_result(None)
    asyncio.run(wait_async(future, time.monotonic() - 1, PublishError))


def test_the_deadline_ends_the_wait() -> None:
    """Without a result, the caller gets the error that it named."""
    with pytest.raises(PublishError):
        asyncio.run(wait_async(Future(), time.monotonic() + 0.01, PublishError))
