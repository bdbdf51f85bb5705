"""Standard output and error that end nothing: not when they are closed, full or gone, nor at any letter.

Nor do they let through what a terminal would obey: all that a command or a library writes goes this way.
"""

import errno
import io
import os
import sys
from collections.abc import Sequence
from typing import Any, TextIO

from gateway.letters import harmless

_FATE = {"stdout": 1, "stderr": 2}  # their file descriptors


class _Raw(io.FileIO):
    """Writes what can be written; that the rest is lost is noted."""

    error: OSError | None = None

    def write(self, data: Any) -> int:
        """As a file's, but that nothing is raised."""
        try:
            return super().write(data)
        except OSError as error:
            self.error = error
            return len(memoryview(data).cast("B"))


class _Stream(io.TextIOWrapper):
    """Text without control codes."""

    def write(self, text: str) -> int:
        """As a file's."""
        if not isinstance(text, str):
            raise TypeError("it takes text")
        super().write(harmless(text))
        return len(text)

    @property
    def buffer(self) -> Any:
        """None is given away: typer would write into it, past all this, where the locale knows ASCII only."""
        raise AttributeError("buffer")


class _Own:
    """The same stream, for what has control codes of our own: colours, a progress bar."""

    def __init__(self, stream: _Stream) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        """As a file's."""
        return io.TextIOWrapper.write(self._stream, text)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def own(stream: TextIO) -> Any:
    """The stream, for whoever sees to it that other people's texts are plain."""
    return _Own(stream) if isinstance(stream, _Stream) else stream


_lasting: dict[str, _Raw] = {}


def harden() -> None:
    """Make this process's two streams so. Streams that somebody has put in their place stay there."""
    _open_what_is_closed()
    for name, descriptor in _FATE.items():
        stream: TextIO | None = getattr(sys, name)
        if stream is getattr(sys, f"__{name}__"):
            setattr(sys, name, _lasting_stream(name, descriptor, stream))
        elif isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def lost() -> str | None:
    """Why output of this process was lost, or None; a reader that has read enough is no loss."""
    error = _lasting["stdout"].error if "stdout" in _lasting else None
    return os.strerror(error.errno or 0) if error and error.errno != errno.EPIPE else None


def as_typed(arguments: Sequence[str]) -> list[str]:
    """The arguments as UTF-8, which terminals send whatever the locale (``LC_ALL=C``) says."""
    return [_as_typed(argument) for argument in arguments]


def _as_typed(argument: str) -> str:
    if argument.isascii():
        return argument
    try:
        return argument.encode("ascii", "surrogateescape").decode()
    except UnicodeError:  # it was understood already, or is no UTF-8
        return argument


def _open_what_is_closed() -> None:
    """Else the next connection gets the descriptor of stderr, and what is written there goes to Redis."""
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # it gets the lowest that is free: this one


def _lasting_stream(name: str, descriptor: int, old: TextIO | None) -> TextIO:
    if old is not None:
        old.flush()
    raw = _lasting[name] = _Raw(descriptor, "wb", closefd=False)
    encoding = old.encoding if old is not None else "utf-8"
    is_direct = raw.isatty() or name == "stderr"
    return _Stream(io.BufferedWriter(raw), encoding, errors="backslashreplace", line_buffering=is_direct)
