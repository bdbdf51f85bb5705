"""What a piece of the product says, on its streams and in a host's plain log."""

import io
import logging
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import structlog
import typer


class Heard:
    """Streams in the place of the process's own."""

    def __init__(self) -> None:
        self._out, self._err = io.BytesIO(), io.BytesIO()
        self.stdout = io.TextIOWrapper(self._out, "utf-8", errors="backslashreplace", write_through=True)
        self.stderr = io.TextIOWrapper(self._err, "utf-8", errors="backslashreplace", write_through=True)

    @property
    def out(self) -> str:
        """Of standard output."""
        return self._out.getvalue().decode()

    @property
    def err(self) -> str:
        """Of standard error, log lines among it."""
        return self._err.getvalue().decode()

    @property
    def all(self) -> str:
        """Both."""
        return f"{self.out}\n{self.err}"


class _Plain(logging.Handler):
    """As an application's that masks nothing; what cannot be made to text is raised."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write the line."""
        sys.stderr.write(f"{self.format(record)}\n")

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 # logging's
        """Raise what is wrong with it."""
        raise AssertionError(f"a log line of {record.name} could not be made") from sys.exc_info()[1]


@contextmanager
def hearing() -> Iterator[Heard]:
    """What is said meanwhile: on the streams, and in a log as a host's process has it."""
    heard, root = Heard(), logging.getLogger()
    streams, handlers, level = (sys.stdout, sys.stderr), root.handlers[:], root.level
    sys.stdout, sys.stderr = heard.stdout, heard.stderr
    root.handlers[:] = [_Plain()]
    root.setLevel(logging.INFO)
    try:
        yield heard
    finally:
        sys.stdout, sys.stderr = streams
        root.handlers[:] = handlers
        root.setLevel(level)
        structlog.reset_defaults()


def exit_code(call: Callable[..., Any], *arguments: Any) -> int:
    """How a command ends; an exception that is no documented end goes through."""
    try:
        call(*arguments)
    except typer.Exit as ended:
        return int(ended.exit_code)
    except SystemExit as ended:
        return int(ended.code or 0)
    return 0
