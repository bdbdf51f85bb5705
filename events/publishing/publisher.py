"""Publishes events from the chat process."""

import logging
import time
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import Future
from functools import partial
from itertools import islice
from typing import Any, Self
from uuid import UUID

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from events.contracts import Event
from events.environment import variable
from events.errors import OutboxFailed, PublisherClosed, PublishError
from events.publishing import address
from events.publishing.call import Call
from events.publishing.coalescer import Coalescer
from events.publishing.courier import PAUSE, Courier
from events.publishing.keys import QUEUE
from events.publishing.memory import Memory
from events.publishing.observer import Observer, Reports
from events.publishing.outbox import Outbox
from events.publishing.queue import CHUNK, Queue
from events.publishing.waiting import wait, wait_async
from events.publishing.watch import Watch

WITHIN = 0.25
"""Maximum seconds for publishing, including the name look-up, connecting, Redis and the outbox."""
_MORE = 0.002  # seconds for each further event of a call

_TO_REDIS = 0.5  # part of that time for Redis if there is an outbox, which gets the rest
_AT_ONCE = 0.4  # part of that time for an open connection, or for each step if no thread can be started
_PATIENCE = 1.0  # seconds for the sending thread, which continues after its callers stopped waiting
_BACKGROUND = 3.0  # seconds for deliveries in the background, because no caller waits for them

_log = logging.getLogger("botlive.events")


class Publisher:
    """Publishes events to Redis, each as one RQ job whose id is the event's id.

    Events that Redis does not confirm in time are kept in the outbox, if there is one, and delivered in the
    background. An event that is published again is still persisted once. Safe to share between threads,
    and after a fork. ``within`` is the maximum time, in seconds, that the chat waits.
    """

    def __init__(
        self,
        connection: redis.Redis,
        *,
        queue: str = QUEUE,
        outbox: Outbox | None = None,
        within: float = WITHIN,
    ) -> None:
        self._redis = connection
        memory = Memory()
        to_queue = partial(Queue, connection, queue, memory=memory)
        self._queue = to_queue(patience=max(_PATIENCE, within))
        self._quick = to_queue(patience=within * _AT_ONCE)
        self._background = to_queue(patience=max(_BACKGROUND, within))
        self._watch = Watch(memory, self._background, self._queue)
        self._reports = self._watch.reports = Reports()
        self._sender = Coalescer("botlive-publisher", self._queue.put_groups, self._quick.put_groups)
        self.outbox = outbox
        """The outbox, or None."""
        self._courier = Courier(outbox, self._background) if outbox is not None else None
        self._within = within
        self._away_until = 0.0
        self._closed = False
        if self._courier:
            self._courier.resume()

    @classmethod
    def from_env(cls, *, within: float = WITHIN) -> Self:
        """Create a publisher to ``REDIS_URL`` (default: this machine) on the queue ``BOTLIVE_QUEUE``.

        ``BOTLIVE_OUTBOX`` is the file of its outbox. Events that already wait there are delivered.

        Raises:
            InvalidRedisUrl: ``REDIS_URL`` is not a valid URL of a Redis.
        """
        connection = address.client(
            variable("REDIS_URL") or address.DEFAULT,
            retry=Retry(NoBackoff(), 0),  # retries of redis-py would take seconds
        )
        file = variable("BOTLIVE_OUTBOX")
        outbox = Outbox.named(file) if file else None
        return cls(connection, queue=variable("BOTLIVE_QUEUE") or QUEUE, outbox=outbox, within=within)

    @property
    def waiting(self) -> int:
        """The number of events in the outbox. ``Outbox.limit`` is the maximum.

        Raises:
            OutboxFailed: the file cannot be read.
        """
        return self._courier.waiting if self._courier else 0

    def observe(self, observer: Observer) -> None:
        """Report each publication to the observer from now on."""
        self._reports.observer = observer

    def publish(self, event: Event) -> UUID:
        """Put the event on the queue and return its id, which is also the id of its order or session.

        Raises:
            PublishError: neither Redis nor the outbox confirmed the event in time.
        """
        self._put([Call.of(event)])
        return event.event_id

    def publish_many(self, events: Iterable[Event]) -> list[UUID]:
        """Put the events on the queue in their order, hundreds in each round trip.

        Raises:
            PublishError: not all events were confirmed. All of them may be published again.
        """
        published: list[UUID] = []
        stream = iter(events)
        while chunk := list(islice(stream, CHUNK)):
            self._put([Call.of(event) for event in chunk])
            published += [event.event_id for event in chunk]
        return published

    async def apublish(self, event: Event) -> UUID:
        """Do the same as ``publish`` without blocking the event loop. Concurrent calls share round trips."""
        await self._aput([Call.of(event)])
        return event.event_id

    def publish_unchecked(
        self, event_type: str, payload: Mapping[str, Any], *, event_id: UUID | None = None
    ) -> UUID:
        """Put a payload that fits no contract on the queue, and return the id of its job.

        By default the id is derived from the payload's ``key``, or is a new one. A worker moves the job to
        RQ's failed registry, with the name of the wrong field, so it is not lost. The payload may contain
        anything.

        Raises:
            PublishError: neither Redis nor the outbox confirmed the event in time.
        """
        call = Call.unchecked(event_id, event_type, payload)
        self._put([call])
        return call.event_id

    async def apublish_unchecked(
        self, event_type: str, payload: Mapping[str, Any], *, event_id: UUID | None = None
    ) -> UUID:
        """Do the same as ``publish_unchecked`` without blocking the event loop."""
        call = Call.unchecked(event_id, event_type, payload)
        await self._aput([call])
        return call.event_id

    def drain(self) -> int:
        """Move the events of the outbox to the queue in their order, and return how many there were.

        Raises:
            PublishError: Redis or the file failed. The events that are left stay in the outbox.
        """
        return self._courier.drain() if self._courier else 0

    def close(self) -> None:
        """Close the connections. Nothing can be published afterwards."""
        self._closed = True
        self._keep_forgotten(self._watch.stop())
        if self._courier:
            self._courier.stop()
        self._sender.close()
        for queue in (self._queue, self._quick, self._background):
            queue.close()
        self._redis.close()

    def _keep_forgotten(self, calls: Sequence[Call]) -> None:
        """Put events that Redis has or may have forgotten into the outbox, for the next process."""
        if not calls:
            return
        try:
            wait(self._keep(calls, PublishError()), time.monotonic() + self._within, OutboxFailed)
        except PublishError:
            _log.error("Redis has or may have forgotten %d events, and no outbox has kept them", len(calls))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _put(self, calls: Sequence[Call]) -> None:
        deadline = self._begin(len(calls))
        with self._reports.publication(len(calls)) as publication:
            try:
                if not self._at_once(calls):
                    wait(self._send(calls), deadline - self._reserve, PublishError)
            except PublishError as error:
                publication.result = "kept"
                wait(self._keep(calls, error), deadline, OutboxFailed)

    async def _aput(self, calls: Sequence[Call]) -> None:
        deadline = self._begin(len(calls))
        with self._reports.publication(len(calls)) as publication:
            try:
                await wait_async(self._send(calls), deadline - self._reserve, PublishError)
            except PublishError as error:
                publication.result = "kept"
                await wait_async(self._keep(calls, error), deadline, OutboxFailed)

    def _begin(self, events: int) -> float:
        """Return the time (of the monotonic clock) until which the caller waits."""
        if self._closed:
            raise PublisherClosed
        return time.monotonic() + self._within + _MORE * (events - 1)

    @property
    def _reserve(self) -> float:
        """The seconds that are reserved for the outbox."""
        return self._within * (1 - _TO_REDIS) if self._courier else 0.0

    @property
    def _is_away(self) -> bool:
        # A call has failed just now. Other calls then use the outbox without waiting for Redis.
        return self._courier is not None and time.monotonic() < self._away_until

    def _at_once(self, calls: Sequence[Call]) -> bool:
        """Try to publish in this thread, which is faster. Return whether Redis confirmed it."""
        if len(calls) > 1 or self._is_away:
            return False
        return self._queue.put_at_once(calls[0], self._within * _AT_ONCE)

    def _send(self, calls: Sequence[Call]) -> Future[None]:
        if self._is_away:
            raise PublishError
        return self._sender.submit(calls)

    def _keep(self, calls: Sequence[Call], error: PublishError) -> Future[None]:
        if self._courier is None:
            raise error
        if not self._is_away:
            self._away_until = time.monotonic() + PAUSE
        return self._courier.keep(calls)
