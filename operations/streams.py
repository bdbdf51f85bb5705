"""Replaces standard output and error by streams that never raise and never pass control codes.

They survive a closed or full output and characters that cannot be encoded. Everything that a command or a
library writes goes through them, so that no text can control the terminal.
"""

import errno
import io
import os
import sys
from collections.abc import Sequence
from typing import Any, TextIO

from gateway.letters import printable_lines

_DESCRIPTORS = {"stdout": 1, "stderr": 2}


class _Raw(io.FileIO):
    """A file that does not raise when it cannot be written; it keeps the error."""

    error: OSError | None = None

    def write(self, data: Any) -> int:
        """Write the data; keep an error instead of raising it."""
        try:
            return super().write(data)
        except OSError as error:
            self.error = error
            return len(memoryview(data).cast("B"))


class _Stream(io.TextIOWrapper):
    """A text stream that removes control codes."""

    def write(self, text: str) -> int:
        """Write the text without its control codes."""
        if not isinstance(text, str):
            raise TypeError("write() needs a str")
        super().write(printable_lines(text))
        return len(text)

    @property
    def buffer(self) -> Any:
        """Not available: with an ASCII locale typer would write into the buffer and bypass this class."""
        raise AttributeError("buffer")


class _Own:
    """The same stream with control codes, for our own colours and progress bars."""

    def __init__(self, stream: _Stream) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        """Write the text unchanged."""
        return io.TextIOWrapper.write(self._stream, text)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def own(stream: TextIO) -> Any:
    """Return the stream with control codes, for callers that clean foreign texts themselves."""
    return _Own(stream) if isinstance(stream, _Stream) else stream


_lasting: dict[str, _Raw] = {}


def harden() -> None:
    """Replace stdout and stderr of this process, unless something else, such as a test, has replaced them."""
    _open_what_is_closed()
    for name, descriptor in _DESCRIPTORS.items():
        stream: TextIO | None = getattr(sys, name)
        if stream is getattr(sys, f"__{name}__"):
            setattr(sys, name, _lasting_stream(name, descriptor, stream))
        elif isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def lost() -> str | None:
    """Return why output was lost, or None. A reader that closed the pipe early does not count as a loss."""
    error = _lasting["stdout"].error if "stdout" in _lasting else None
    return os.strerror(error.errno or 0) if error and error.errno != errno.EPIPE else None


def is_closed() -> bool:
    """Return whether stdout can no longer be written, also because its reader closed the pipe."""
    return "stdout" in _lasting and _lasting["stdout"].error is not None


def as_typed(arguments: Sequence[str]) -> list[str]:
    """Decode the arguments as UTF-8, which terminals send even if the locale says ASCII (``LC_ALL=C``)."""
    return [_as_typed(argument) for argument in arguments]


def _as_typed(argument: str) -> str:
    if argument.isascii():
        return argument
    try:
        return argument.encode("ascii", "surrogateescape").decode()
    except UnicodeError:  # it was already decoded, or it is not UTF-8
        return argument


def _open_what_is_closed() -> None:
    """Open closed descriptors on the null device: else a connection to Redis could get that of stderr."""
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # gets the lowest free descriptor, which is this one
    if sys.stdin is None:  # it was closed: reading it then is reading an empty file
        sys.stdin = os.fdopen(0, closefd=False)


def _lasting_stream(name: str, descriptor: int, old: TextIO | None) -> TextIO:
    if old is not None:
        old.flush()
    raw = _lasting[name] = _Raw(descriptor, "wb", closefd=False)
    encoding = old.encoding if old is not None else "utf-8"
    is_direct = raw.isatty() or name == "stderr"
    return _Stream(io.BufferedWriter(raw), encoding, errors="backslashreplace", line_buffering=is_direct)
