"""Reports what a publisher does to an observer. ``events.publishing.metrics`` has one for Prometheus."""

import logging
import time
from types import TracebackType
from typing import Literal, Protocol, Self

from events.errors import PublishError

_log = logging.getLogger("botlive.events")

Result = Literal["queued", "kept", "refused"]
"""Redis confirmed the events, the outbox keeps them, or the caller got a ``PublishError``."""


class Observer(Protocol):
    """Is called in the publisher's threads. An exception of its methods is logged once."""

    def published(self, events: int, result: Result, seconds: float) -> None:
        """One call of the publisher has ended; ``seconds`` is how long the caller waited."""

    def published_again(self, events: int) -> None:
        """Redis had forgotten these events, and has them again."""


class Publication:
    """One call of a publisher, as a context manager. A call that was cancelled is not reported."""

    __slots__ = ("_events", "_reports", "_started", "result")

    def __init__(self, reports: "Reports", events: int) -> None:
        self._reports = reports
        self._events = events
        self.result: Result = "queued"
        self._started = time.perf_counter()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _: type[BaseException] | None, error: BaseException | None, __: TracebackType | None
    ) -> None:
        if isinstance(error, PublishError):
            self.result = "refused"
        elif error is not None:
            return
        self._reports.published(self._events, self.result, self._started)


class Reports:
    """The reports of one publisher."""

    def __init__(self) -> None:
        self.observer: Observer | None = None
        self._logged: set[str] = set()  # no lock, because a fork could inherit it locked

    def publication(self, events: int) -> Publication:
        """Begin a call with that many events."""
        return Publication(self, events)

    def published(self, events: int, result: Result, started: float) -> None:
        """Report a call that has ended, and that began at ``started`` of ``time.perf_counter``."""
        if self.observer is None:
            return
        try:
            self.observer.published(events, result, time.perf_counter() - started)
        except Exception as error:  # noqa: BLE001 # the observer is the host's own
            self._failed(error)

    def published_again(self, events: int) -> None:
        """Report that Redis has events again that it had forgotten."""
        if self.observer is None:
            return
        try:
            self.observer.published_again(events)
        except Exception as error:  # noqa: BLE001 # the observer is the host's own
            self._failed(error)

    def _failed(self, error: Exception) -> None:
        kind = type(error).__name__
        if kind not in self._logged:
            self._logged.add(kind)
            _log.warning("the publisher's metrics are incomplete: its observer raised %s", kind)
