"""Turns unexpected exceptions, which are bugs of ours, into faults, and logs where they come from."""

import structlog

from events.publishing.notices import Notices
from gateway.errors import OwnFault


class OwnFaults:
    """The unexpected exceptions of one part of the worker."""

    def __init__(self) -> None:
        self._notices = Notices()
        self._log = structlog.stdlib.get_logger("botlive")

    def fault(self, error: BaseException) -> OwnFault:
        """Return the fault. Log the stack, but not at each retry: the breaker logs only the fault's name."""
        if self._notices.is_due(_place(error)):
            self._log.error("own fault", exc_info=error)
        fault = OwnFault(error)
        fault.__cause__ = error
        return fault


def _place(error: BaseException) -> str:
    """Return the type of the exception, and the line that raised it."""
    frame = error.__traceback__
    while frame and frame.tb_next:
        frame = frame.tb_next
    where = f"{frame.tb_frame.f_code.co_filename}:{frame.tb_lineno}" if frame else "unknown"
    return f"{type(error).__qualname__} at {where}"
