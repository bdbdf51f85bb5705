"""Child processes of tests."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from typing import AnyStr


@contextmanager
def ending(child: subprocess.Popen[AnyStr]) -> Iterator[subprocess.Popen[AnyStr]]:
    """Kill the child at the end of the block, so that a failing test neither waits for it nor leaves it."""
    with child:
        try:
            yield child
        finally:
            child.kill()
