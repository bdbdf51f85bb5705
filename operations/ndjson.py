"""Reads NDJSON files of events: one JSON object per line."""

from codecs import BOM_UTF8
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

    Programs on Windows write a byte order mark before the first line.

    Raises:
        FileUnusable: the file cannot be read.
    """
    mark = BOM_UTF8
    while line := _read(file, LONGEST_LINE + 1):
        yield line.removeprefix(mark)
        mark = b""
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


def _is_utf8(line: bytes) -> bool:
    try:
        return "\0" not in line.decode()  # UTF-16 has a zero byte in most characters
    except UnicodeDecodeError:
        return False


def parsed(line: bytes) -> AnyEvent:
    """Parse the event of a line.

    Raises:
        InvalidEvent: it does not fit its contract, or the line is too long.
    """
    if len(line.rstrip(b"\r\n")) > LONGEST_LINE:
        raise InvalidEvent("json", "is longer than 1 MB")
    if not _is_utf8(line):
        raise InvalidEvent(
            "json", "is not UTF-8: save the file in this encoding, not in UTF-16 or Windows-1252"
        )
    return parse_event(line)
