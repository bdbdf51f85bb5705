"""A test double for ``Publisher``. It needs no Redis; it records and validates the events.

>>> publisher = RecordingPublisher()
>>> dropin.use(publisher)  # or pass it where your code takes a Publisher
>>> publisher.events_of(OrderCompleted)
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from threading import Lock
from typing import Any, NamedTuple, Self, TypeVar
from uuid import UUID

from events.contracts import AnyEvent, Event
from events.errors import InvalidEvent, PublisherClosed, PublishError
from events.parsing import parse_event
from events.publishing.call import Call
from events.publishing.observer import Observer
from events.publishing.publisher import WITHIN

E = TypeVar("E", bound=Event)


class Refused(NamedTuple):
    """A payload that was published unchecked and that a worker would refuse."""

    event_id: UUID
    event_type: str
    payload: Mapping[str, Any]
    """The payload as the worker would read it."""
    error: InvalidEvent
    """Why the worker would refuse it."""


class RecordingPublisher:
    """Has the methods of ``Publisher`` and records the events in ``events`` and ``refused``.

    It reads each event from the job's JSON, like a worker. An event that is published twice is recorded
    once, as on the queue. Safe to share between threads.
    """

    def __init__(self) -> None:
        self._lock = Lock()
        self._calls: dict[UUID, Call] = {}
        self._events: list[AnyEvent] = []
        self._refused: list[Refused] = []
        self._closed = False
        self._away = False

    @classmethod
    def from_env(cls, *, within: float = WITHIN) -> Self:
        """Return a new publisher. The environment is not read."""
        return cls()

    @property
    def events(self) -> Sequence[AnyEvent]:
        """The events in the order of their publication."""
        return tuple(self._events)

    @property
    def refused(self) -> Sequence[Refused]:
        """The unchecked payloads that fit no contract, in the order of their publication."""
        return tuple(self._refused)

    def events_of(self, contract: type[E]) -> list[E]:
        """Return the events of this class, in the order of their publication."""
        return [event for event in self._events if isinstance(event, contract)]

    def clear(self) -> None:
        """Remove everything that was recorded."""
        with self._lock:
            self._calls.clear()
            self._events.clear()
            self._refused.clear()

    @contextmanager
    def away(self) -> Iterator[None]:
        """Make every publish raise ``PublishError``, as if Redis were away and there were no outbox."""
        self._away = True
        try:
            yield
        finally:
            self._away = False

    @property
    def waiting(self) -> int:
        """Always 0, because there is no outbox."""
        return 0

    def publish(self, event: Event) -> UUID:
        """Record the event and return its id.

        Raises:
            InvalidEvent: a worker would refuse the event. Either ``model_construct`` or
                ``model_copy(update=…)`` made it, or another event has the same id.
            PublishError: ``away()`` is active, or ``close()`` was called.
        """
        self._record(Call.of(event))
        return event.event_id

    def publish_many(self, events: Iterable[Event]) -> list[UUID]:
        """Record each event, like ``publish``."""
        return [self.publish(event) for event in events]

    async def apublish(self, event: Event) -> UUID:
        """Record the event, like ``publish``."""
        return self.publish(event)

    def publish_unchecked(
        self, event_type: str, payload: Mapping[str, Any], *, event_id: UUID | None = None
    ) -> UUID:
        """Record the payload in ``events`` if it fits its contract, else in ``refused`` with the reason."""
        call = Call.unchecked(event_id, event_type, payload)
        self._record(call, unchecked_type=event_type)
        return call.event_id

    async def apublish_unchecked(
        self, event_type: str, payload: Mapping[str, Any], *, event_id: UUID | None = None
    ) -> UUID:
        """Record the payload, like ``publish_unchecked``."""
        return self.publish_unchecked(event_type, payload, event_id=event_id)

    def observe(self, observer: Observer) -> None:
        """Do nothing: the observer gets no reports."""

    def drain(self) -> int:
        """Return 0, because there is no outbox."""
        return 0

    def close(self) -> None:
        """Refuse to publish from now on. The recorded events stay."""
        self._closed = True

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _record(self, call: Call, unchecked_type: str | None = None) -> None:
        with self._lock:
            if self._closed:
                raise PublisherClosed
            if self._away:
                raise PublishError
            known = self._calls.get(call.event_id)
            if known is not None and known.fingerprint == call.fingerprint:
                return
            self._read(call, unchecked_type, is_taken=known is not None)
            self._calls.setdefault(call.event_id, call)

    def _read(self, call: Call, unchecked_type: str | None, *, is_taken: bool) -> None:
        payload = json.loads(call.data)[2][0]
        try:
            event = _accepted(payload, is_taken=is_taken)
        except InvalidEvent as error:
            if unchecked_type is None:
                raise
            self._refused.append(Refused(call.event_id, unchecked_type, payload, error))
        else:
            self._events.append(event)


def _accepted(payload: Any, *, is_taken: bool) -> AnyEvent:
    event = parse_event(json.dumps(payload))
    if is_taken:
        raise InvalidEvent("event_id", "is already used by an event with other content")
    return event
