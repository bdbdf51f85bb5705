"""Reports what a publisher does to an observer. ``events.publishing.metrics`` has one for Prometheus."""

import time
from contextlib import suppress
from types import TracebackType
from typing import Literal, Protocol, Self

from events.errors import PublishError

Result = Literal["queued", "kept", "refused"]
"""Redis confirmed the events, the outbox keeps them, or the caller got a ``PublishError``."""


class Observer(Protocol):
    """Is called in the publisher's threads. An exception of its methods is ignored."""

    def published(self, events: int, result: Result, seconds: float) -> None:
        """One call of the publisher has ended; ``seconds`` is how long the caller waited."""

    def published_again(self, events: int) -> None:
        """Redis had forgotten these events, and has them again."""


class Publication:
    """One call of a publisher, as a context manager. A call that was cancelled is not reported."""

    __slots__ = ("_events", "_observer", "_started", "result")

    def __init__(self, observer: Observer | None, events: int) -> None:
        self._observer = observer
        self._events = events
        self.result: Result = "queued"
        self._started = time.perf_counter()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _: type[BaseException] | None, error: BaseException | None, __: TracebackType | None
    ) -> None:
        is_refused = isinstance(error, PublishError)
        if self._observer is None or (error is not None and not is_refused):
            return
        with suppress(Exception):
            result: Result = "refused" if is_refused else self.result
            self._observer.published(self._events, result, time.perf_counter() - self._started)


class Reports:
    """The reports of one publisher."""

    def __init__(self) -> None:
        self.observer: Observer | None = None

    def publication(self, events: int) -> Publication:
        """Begin a call with that many events."""
        return Publication(self.observer, events)

    def published_again(self, events: int) -> None:
        """Report that Redis has events again that it had forgotten."""
        with suppress(Exception):
            if self.observer is not None:
                self.observer.published_again(events)
