"""Compares a server's clock with this machine's."""

import time
from collections.abc import Callable, Iterator

from operations.doctor.result import Result, warning

_SKEW = 5.0  # seconds between two clocks that are worth a warning


def check(part: str, read: Callable[[], float], cure: str) -> Iterator[Result]:
    """Check the clock that ``read`` reads, in seconds since 1970."""
    before = time.time()
    theirs = read()
    skew = theirs - (before + time.time()) / 2
    if abs(skew) > _SKEW:
        yield warning(part, f"the server's clock differs from this machine's by {skew:+.0f} s", cure)
