"""What a piece of the product says, on its streams and in a host's plain log."""

import io
import logging
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

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


@contextmanager
def hearing() -> Iterator[Heard]:
    """What is said meanwhile."""
    heard, streams = Heard(), (sys.stdout, sys.stderr)
    sys.stdout, sys.stderr = heard.stdout, heard.stderr
    try:
        yield heard
    finally:
        sys.stdout, sys.stderr = streams


class _Plain(logging.Handler):
    """As an application's that masks nothing; what cannot be made to text is raised."""

    def emit(self, record: logging.LogRecord) -> None:
        sys.stderr.write(f"{self.format(record)}\n")

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 # logging's
        raise AssertionError(f"a log line of {record.name} could not be made") from sys.exc_info()[1]


def plain_logs(stack: ExitStack) -> None:
    """Log as a host's process does, until the stack is left."""
    root = logging.getLogger()
    before, level = root.handlers[:], root.level
    root.handlers[:] = [_Plain()]
    root.setLevel(logging.INFO)

    def back() -> None:
        root.handlers[:] = before
        root.setLevel(level)

    stack.callback(back)


def exit_code(call: Callable[..., Any], *arguments: Any) -> int:
    """How a command ends; an exception that is no documented end goes through."""
    try:
        call(*arguments)
    except typer.Exit as ended:
        return int(ended.exit_code)
    except SystemExit as ended:
        return int(ended.code or 0)
    return 0
