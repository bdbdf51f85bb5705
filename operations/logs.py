"""Logs: one JSON object per line, or readable lines on a terminal, both without personal data.

Lines that libraries log through the standard library, RQ above all, are processed in the same way.
"""

import logging
import os
import sys
import traceback
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from gateway.letters import printable, printable_lines
from gateway.masking import mask
from operations.chatter import LowersChatter
from operations.logfiles import LogFile, Stderr
from operations.streams import own


def configure(log_dir: Path | None = None, level: int | str = logging.INFO) -> None:
    """Send every log line of this process to stderr and, if ``log_dir`` is given, to a file there.

    If stderr is a terminal it gets readable lines; the file ``worker.json`` always gets JSON. Several
    workers may share the file. It may be rotated (``logrotate``): it is then opened again. If it cannot be
    written, this is logged, and the lines still go to stderr.
    """
    file = LogFile(log_dir / "worker.json") if log_dir else None
    handlers: list[logging.Handler] = [_to(Stderr(own(sys.stderr)), *_on_stderr())]
    if file:
        handlers.append(_to(file, _JSON))
    root = logging.getLogger()
    root.handlers[:] = handlers
    root.setLevel(level)
    logging.captureWarnings(True)
    # httpx logs every request at INFO; our own lines already cover each batch.
    for chatty in ("httpx", "httpcore"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
    structlog.configure(
        processors=[structlog.stdlib.filter_by_level, *_SHARED, _for_handlers],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    if file:
        file.check()


def without_personal_data(_: WrappedLogger, __: str, event_dict: EventDict) -> EventDict:
    """Mask personal data in all fields of a line (a structlog processor)."""
    # A line of the standard library has its LogRecord here, which no renderer shows.
    kept = {key: event_dict.pop(key) for key in ("_record", "_from_structlog") if key in event_dict}
    return {**mask(event_dict), **kept}


def exceptions(_: WrappedLogger, __: str, event_dict: EventDict) -> EventDict:
    """Replace an exception by one line and a stack without local variables (a structlog processor)."""
    error = _exception(event_dict.pop("exc_info", None))
    if error:
        event_dict["exception"] = _one_line(error)
        event_dict["stack"] = _stack(error)
    return event_dict


def _exception(exc_info: Any) -> BaseException | None:
    match exc_info:
        case BaseException():
            return exc_info
        case (_, BaseException() as error, _):
            return error
        case True:
            return sys.exc_info()[1]
    return None


def _one_line(error: BaseException) -> str:
    return f"{type(error).__qualname__}: {' '.join(str(error).split())}"


def _stack(error: BaseException) -> str:
    """Return the frames of the exception and of its causes, with their types but without their messages.

    A cause's message may quote a row. The message of the exception itself is shown elsewhere.
    """
    links = (f"{type(link).__qualname__}\n{_frames(link.__traceback__)}" for link in _chain(error))
    return "from ".join(links)


def _chain(error: BaseException) -> Iterator[BaseException]:
    seen: set[int] = set()
    link: BaseException | None = error
    while link is not None and id(link) not in seen:
        seen.add(id(link))
        yield link
        link = link.__cause__ or (None if link.__suppress_context__ else link.__context__)


def _frames(stack: TracebackType | None) -> str:
    frames = traceback.extract_tb(stack)
    return "".join(f"  {frame.filename}:{frame.lineno} in {frame.name}\n" for frame in frames)


def _to(handler: logging.Handler, *renderers: Processor) -> logging.Handler:
    handler.addFilter(LowersChatter())
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=_SHARED,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *renderers],
        )
    )
    return handler


def without_control_codes(_: WrappedLogger, __: str, event_dict: EventDict) -> EventDict:
    """Remove control codes for a terminal; only the stack may have several lines (a structlog processor)."""
    return {
        printable(key): printable_lines(value) if key == "stack" else _printable(value)
        for key, value in event_dict.items()
    }


def _printable(value: Any) -> Any:
    """Return a text without control codes. Other values are shown by their repr, which escapes them."""
    return printable(value) if isinstance(value, str) else value


def _on_stderr() -> tuple[Processor, ...]:
    try:
        is_terminal = sys.stderr.isatty()
    except (AttributeError, ValueError):  # stderr is missing or closed
        is_terminal = False
    return (
        (without_control_codes, structlog.dev.ConsoleRenderer(colors=_has_colours()))
        if is_terminal
        else (_JSON,)
    )


def _has_colours() -> bool:
    """Return whether the terminal takes colours and the person wants them (https://no-color.org)."""
    return not os.environ.get("NO_COLOR") and os.environ.get("TERM") not in {"dumb", "unknown"}


_JSON = structlog.processors.JSONRenderer()
_for_handlers = structlog.stdlib.ProcessorFormatter.wrap_for_formatter

# Lines are masked before a handler gets them, so that logging's own report of a failed handler is clean too.
_SHARED: list[Processor] = [
    structlog.contextvars.merge_contextvars,
    structlog.stdlib.PositionalArgumentsFormatter(),
    exceptions,
    without_personal_data,
    structlog.stdlib.add_log_level,
    structlog.stdlib.add_logger_name,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
]
