"""Captures the standard streams and the log lines of the code under test."""

import io
import logging
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import structlog
import typer


class Captured:
    """Replacements for the standard streams of the process."""

    def __init__(self) -> None:
        self._out, self._err = io.BytesIO(), io.BytesIO()
        self.stdout = io.TextIOWrapper(self._out, "utf-8", errors="backslashreplace", write_through=True)
        self.stderr = io.TextIOWrapper(self._err, "utf-8", errors="backslashreplace", write_through=True)

    @property
    def out(self) -> str:
        """The text of standard output."""
        return self._out.getvalue().decode()

    @property
    def err(self) -> str:
        """The text of standard error, which includes log lines."""
        return self._err.getvalue().decode()

    @property
    def all(self) -> str:
        """The text of both streams."""
        return f"{self.out}\n{self.err}"


class _Plain(logging.Handler):
    """A log handler of a host without masking. It raises if a record cannot be formatted."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write the line."""
        sys.stderr.write(f"{self.format(record)}\n")

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 # the name is from logging
        """Raise an error."""
        raise AssertionError(f"a log record of {record.name} cannot be formatted") from sys.exc_info()[1]


@contextmanager
def capture() -> Iterator[Captured]:
    """Capture the streams, and log lines as the process of a host would write them."""
    captured, root = Captured(), logging.getLogger()
    streams, handlers, level = (sys.stdout, sys.stderr), root.handlers[:], root.level
    sys.stdout, sys.stderr = captured.stdout, captured.stderr
    root.handlers[:] = [_Plain()]
    root.setLevel(logging.INFO)
    try:
        yield captured
    finally:
        sys.stdout, sys.stderr = streams
        root.handlers[:] = handlers
        root.setLevel(level)
        structlog.reset_defaults()


def exit_code(call: Callable[..., Any], *arguments: Any) -> int:
    """Call a command and return its exit code. Other exceptions are raised."""
    try:
        call(*arguments)
    except typer.Exit as ended:
        return int(ended.exit_code)
    except SystemExit as ended:
        return int(ended.code or 0)
    return 0
