"""What an operator has to know at once: an event that failed for good, or a worker that holds all events.

Each is reported once, not at each retry. Without a listener nothing happens.
"""

from collections.abc import Callable
from typing import NamedTuple

import structlog

from gateway.errors import WorkerError


class Incident(NamedTuple):
    """Something that happened in this process."""

    kind: str
    error: WorkerError
    """Why. Its own text holds no personal data; the text of its cause may."""
    job_id: str | None = None
    event_type: str | None = None


_listeners: list[Callable[[Incident], None]] = []


def listen(listener: Callable[[Incident], None]) -> None:
    """Call the listener for each incident from now on."""
    _listeners.append(listener)


def report(incident: Incident) -> None:
    """Tell the listeners. A listener that fails does no harm."""
    for listener in _listeners:
        try:
            listener(incident)
        except Exception as error:  # noqa: BLE001 # the worker must go on
            log = structlog.stdlib.get_logger("botlive")
            log.warning("an incident could not be reported", error=type(error).__name__)
