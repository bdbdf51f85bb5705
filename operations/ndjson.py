"""Reads NDJSON files of events: one JSON object per line."""

from collections.abc import Iterator
from typing import Annotated, BinaryIO

import typer

from events import AnyEvent, InvalidEvent, parse_event
from operations import completion
from operations.errors import FileUnusable

LONGEST_LINE = 1_000_000
"""Bytes of one line, at most."""

File = Annotated[
    typer.FileBinaryRead,
    typer.Argument(
        metavar="FILE|-",
        help="NDJSON: one event per line; - is stdin.",
        autocompletion=completion.by_the_shell,
    ),
]
"""The argument of a command that reads such a file."""


def lines(file: BinaryIO) -> Iterator[bytes]:
    """Yield each line; of a line that is too long only the beginning, so that memory stays bounded.

    Raises:
        FileUnusable: the file cannot be read.
    """
    while line := _read(file, LONGEST_LINE + 1):
        yield line
        while line and not line.endswith(b"\n"):
            line = _read(file, LONGEST_LINE)


def _read(file: BinaryIO, size: int) -> bytes:
    try:
        return file.readline(size)
    except OSError as error:  # the disk fails, or the file cannot be read in this way
        raise FileUnusable(str(file.name), error.strerror or type(error).__name__) from None


def is_blank(line: bytes) -> bool:
    """Return whether the line is blank; a line that is too long never counts as blank."""
    return len(line) <= LONGEST_LINE and not line.strip()


def parsed(line: bytes) -> AnyEvent:
    """Parse the event of a line.

    Raises:
        InvalidEvent: it does not fit its contract, or the line is too long.
    """
    if len(line.rstrip(b"\r\n")) > LONGEST_LINE:
        raise InvalidEvent("json", "is longer than 1 MB")
    return parse_event(line)
