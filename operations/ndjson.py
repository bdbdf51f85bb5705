"""Files of events: one JSON object a line."""

from collections.abc import Iterator
from typing import BinaryIO

from events import AnyEvent, InvalidEvent, parse_event

LONGEST_LINE = 1_000_000
"""Bytes."""


def lines(file: BinaryIO) -> Iterator[bytes]:
    """Each line, of which a much too long one is neither kept in memory nor yielded whole."""
    while line := file.readline(LONGEST_LINE + 1):
        yield line
        while line and not line.endswith(b"\n"):
            line = file.readline(LONGEST_LINE)


def is_blank(line: bytes) -> bool:
    """Whether there is nothing in it; a too long one is never taken for blank."""
    return len(line) <= LONGEST_LINE and not line.strip()


def parsed(line: bytes) -> AnyEvent:
    """The line's event.

    Raises:
        InvalidEvent: it does not fit its contract.
    """
    if len(line.rstrip(b"\r\n")) > LONGEST_LINE:
        raise InvalidEvent("json", "is longer than 1 MB")
    return parse_event(line)
