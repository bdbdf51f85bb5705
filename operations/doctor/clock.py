"""Compares a server's clock with this machine's."""

from collections.abc import Callable, Iterator

from operations.doctor.result import Result, warning
from worker.clock import TOLERANCE, ahead


def check(part: str, read: Callable[[], float], cure: str) -> Iterator[Result]:
    """Check the clock that ``read`` reads, in seconds since 1970."""
    skew = ahead(read)
    if abs(skew) > TOLERANCE:
        yield warning(part, f"the server's clock differs from this machine's by {skew:+.0f} s", cure)
