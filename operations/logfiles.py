"""Where log lines go: what cannot be written there ends nothing, and is told once."""

import logging
import sys
from contextlib import suppress
from logging.handlers import WatchedFileHandler
from pathlib import Path
from typing import Any, TextIO

import structlog


class Stderr(logging.StreamHandler[TextIO]):
    """Standard error as it is at the moment; what it does not take is lost."""

    _is_telling = False

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 # logging's
        """Tell of a line that could not be made: logging's own words would show what it holds."""
        error = sys.exc_info()[1]
        # A stream that is there no more is an AttributeError, a closed one a ValueError.
        if self._is_telling or isinstance(error, OSError | ValueError | AttributeError):
            return
        self._is_telling = True
        try:
            log: Any = structlog.stdlib.get_logger("botlive")
            log.error("log line lost", error=type(error).__name__, of=record.name)
        finally:
            self._is_telling = False


class LogFile(WatchedFileHandler):
    """A file that may be moved away, be full, or be taken away with its folder, and come back.

    The lines go to stderr too, so that only the file lacks them; that it does is told there, once.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(path, encoding="utf-8", delay=True)
        self._trouble: OSError | None = None
        self._is_told = False

    def check(self) -> None:
        """Open the file now, so that what is wrong is told at the start."""
        self._attempt(lambda: setattr(self, "stream", self._open()))

    def emit(self, record: logging.LogRecord) -> None:
        """Write the record, or tell that this cannot be done."""
        emit = super().emit
        self._attempt(lambda: emit(record))

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 # logging's
        """Keep what went wrong with the file; of a line that could not be made, stderr tells."""
        error = sys.exc_info()[1]
        self._trouble = error if isinstance(error, OSError) else None

    def _attempt(self, action: Any) -> None:
        self._trouble = None
        try:
            action()
        except OSError as error:  # at opening it: logging does not catch that
            self._trouble = error
        self._tell(self._trouble)

    def _open(self) -> Any:
        Path(self.baseFilename).parent.mkdir(parents=True, exist_ok=True)
        return super()._open()

    def _tell(self, trouble: OSError | None) -> None:
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
        """Open it anew the next time: half of a line may be stuck in it, and would be tried for ever."""
        stream, self.stream = self.stream, None
        if stream:
            with suppress(OSError, ValueError):
                stream.close()


def _words(trouble: OSError) -> str:
    why = trouble.strerror or type(trouble).__name__
    return f"{why}: the lines go to stderr alone until the file can be written"
