"""Runs a call in its own thread."""

from collections.abc import Callable
from concurrent.futures import Future
from threading import Thread
from typing import TypeVar

_Answer = TypeVar("_Answer")


def in_thread(call: Callable[[], _Answer]) -> Future[_Answer]:
    """Start the call and return a future of its answer.

    The thread is a daemon, unlike the threads of an executor: a call that hangs must not block the end of
    the process.
    """
    future: Future[_Answer] = Future()

    def run() -> None:
        try:
            future.set_result(call())
        except BaseException as error:  # noqa: BLE001 # the future raises it
            future.set_exception(error)

    Thread(target=run, name="call", daemon=True).start()
    return future
