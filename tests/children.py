"""Child processes of tests."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import AnyStr, Protocol


class Child(Protocol):
    """A process that can be ended."""

    def terminate(self) -> None:
        """Send SIGTERM."""

    def kill(self) -> None:
        """Send SIGKILL."""

    def wait(self, timeout: float | None = None) -> int:
        """Wait for its end."""


@contextmanager
def ending(child: subprocess.Popen[AnyStr]) -> Iterator[subprocess.Popen[AnyStr]]:
    """Kill the child at the end of the block, so that a failing test neither waits for it nor leaves it."""
    with child:
        try:
            yield child
        finally:
            end(child)


def end(child: Child) -> None:
    """Kill the child. `make coverage` stops it first, because a killed process reports no lines."""
    if "COVERAGE_PROCESS_CONFIG" in os.environ:
        child.terminate()
        with suppress(subprocess.TimeoutExpired):
            child.wait(timeout=30)
    child.kill()
    child.wait(timeout=10)
