"""Calls in threads of their own."""

from collections.abc import Callable
from concurrent.futures import Future
from threading import Thread
from typing import TypeVar

_Answer = TypeVar("_Answer")


def in_thread(call: Callable[[], _Answer]) -> Future[_Answer]:
    """Begin the call and hand out its answer-to-be.

    The thread is a daemon, unlike an executor's: a call that hangs must not keep the process from its end.
    """
    future: Future[_Answer] = Future()

    def run() -> None:
        try:
            future.set_result(call())
        except BaseException as error:  # noqa: BLE001 # it is the future's to tell
            future.set_exception(error)

    Thread(target=run, name="call", daemon=True).start()
    return future
