"""Log handlers whose write errors never end the process. An error is reported once."""

import logging
import sys
from contextlib import suppress
from logging.handlers import WatchedFileHandler
from pathlib import Path
from typing import Any, TextIO

import structlog


class Stderr(logging.StreamHandler[TextIO]):
    """Writes to standard error. Lines that cannot be written are lost."""

    _is_telling = False

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 # logging's
        """Report a line that could not be formatted; logging's own report would show its content."""
        error = sys.exc_info()[1]
        # AttributeError: there is no stream. ValueError: the stream is closed.
        if self._is_telling or isinstance(error, OSError | ValueError | AttributeError):
            return
        self._is_telling = True
        try:
            log: Any = structlog.stdlib.get_logger("botlive")
            log.error("log line lost", error=type(error).__name__, of=record.name)
        finally:
            self._is_telling = False


class LogFile(WatchedFileHandler):
    """A log file that may be rotated, full, or deleted with its folder, and may come back.

    All lines go to stderr too, so lines that cannot be written are missing only in the file. The problem is
    logged once.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(path, encoding="utf-8", delay=True)
        self._trouble: OSError | None = None
        self._is_told = False

    def check(self) -> None:
        """Open the file now, so that a problem is reported at the start."""
        self._attempt(lambda: setattr(self, "stream", self._open()))

    def emit(self, record: logging.LogRecord) -> None:
        """Write the record, or report that the file cannot be written."""
        emit = super().emit
        self._attempt(lambda: emit(record))

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 # logging's
        """Keep an error of the file. A line that could not be formatted is reported by ``Stderr``."""
        error = sys.exc_info()[1]
        self._trouble = error if isinstance(error, OSError) else None

    def _attempt(self, action: Any) -> None:
        self._trouble = None
        try:
            action()
        except OSError as error:  # from opening the file, which logging does not catch
            self._trouble = error
        self._report(self._trouble)

    def _open(self) -> Any:
        Path(self.baseFilename).parent.mkdir(parents=True, exist_ok=True)
        return super()._open()

    def _report(self, trouble: OSError | None) -> None:
        if trouble:
            self._drop()
        if bool(trouble) == self._is_told:
            return
        self._is_told = bool(trouble)
        log = structlog.stdlib.get_logger("botlive")
        if trouble:
            log.error("log file fails", file=self.baseFilename, reason=_words(trouble))
        else:
            log.warning("log file works again", file=self.baseFilename)

    def _drop(self) -> None:
        """Close the stream, whose buffer may hold half a line; the next record opens the file again."""
        stream, self.stream = self.stream, None
        if stream:
            with suppress(OSError, ValueError):
                stream.close()


def _words(trouble: OSError) -> str:
    why = trouble.strerror or type(trouble).__name__
    return f"{why}: the lines go only to stderr until the file can be written again"
