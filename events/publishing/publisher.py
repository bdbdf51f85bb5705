"""The chat's side of the queue."""

import logging
import os
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
from events.errors import OutboxFailed, PublisherClosed, PublishError
from events.publishing import address
from events.publishing.call import Call
from events.publishing.coalescer import Coalescer
from events.publishing.courier import PAUSE, Courier
from events.publishing.keys import QUEUE
from events.publishing.memory import Memory
from events.publishing.outbox import Outbox
from events.publishing.queue import CHUNK, Queue
from events.publishing.waiting import wait, wait_async
from events.publishing.watch import Watch

WITHIN = 0.25
"""Seconds that publishing takes at most, over everything: name look-up, connecting, Redis, the file."""
_MORE = 0.002  # seconds for each further event of the same call

_TO_REDIS = 0.5  # of that time, where an outbox takes over
_AT_ONCE = 0.4  # of that time, for a connection that is open, or for each step where no thread can be had
_PATIENCE = 1.0  # seconds for the thread that sends, which goes on when its callers have left
_LATER = 3.0  # seconds: nobody waits for what is delivered in the background

_log = logging.getLogger("botlive.events")


class Publisher:
    """Publishes events to Redis, each as one RQ job whose id is the event's id.

    What Redis does not confirm in time is kept in the outbox, where there is one, and delivered in the
    background. Publishing an event again is harmless: it is persisted once. Safe to share between
    threads, and after a fork. ``within`` bounds, in seconds, how long the chat waits.
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
        self._hurried = to_queue(patience=within * _AT_ONCE)
        self._later = to_queue(patience=max(_LATER, within))
        self._watch = Watch(memory, self._later)
        self._sender = Coalescer("botlive-publisher", self._queue.put_groups, self._hurried.put_groups)
        self._courier = Courier(outbox, self._later) if outbox is not None else None
        self._within = within
        self._away_until = 0.0
        self._closed = False
        if self._courier:
            self._courier.resume()

    @classmethod
    def from_env(cls, *, within: float = WITHIN) -> Self:
        """A publisher to ``REDIS_URL`` (default: this machine) on the queue ``BOTLIVE_QUEUE``.

        ``BOTLIVE_OUTBOX`` names the file of its outbox; what waits there from before is delivered.

        Raises:
            InvalidRedisUrl: that is no URL of a Redis.
        """
        connection = address.client(
            os.environ.get("REDIS_URL") or address.DEFAULT,
            retry=Retry(NoBackoff(), 0),  # redis-py's own would take seconds
        )
        file = os.environ.get("BOTLIVE_OUTBOX")
        outbox = Outbox.named(file) if file else None
        return cls(connection, queue=os.environ.get("BOTLIVE_QUEUE") or QUEUE, outbox=outbox, within=within)

    @property
    def waiting(self) -> int:
        """How many events wait in the outbox, of the ``Outbox.limit`` that it may hold.

        Raises:
            OutboxFailed: its file cannot be read.
        """
        return self._courier.waiting if self._courier else 0

    def publish(self, event: Event) -> UUID:
        """Put the event on the queue and return its id, which is its order's or session's id too.

        Raises:
            PublishError: neither Redis nor the outbox took it in time.
        """
        self._put([Call.of(event)])
        return event.event_id

    def publish_many(self, events: Iterable[Event]) -> list[UUID]:
        """Put the events on the queue in their order, hundreds to a round trip.

        Raises:
            PublishError: not all were taken; publishing all of them again is harmless.
        """
        published: list[UUID] = []
        stream = iter(events)
        while chunk := list(islice(stream, CHUNK)):
            self._put([Call.of(event) for event in chunk])
            published += [event.event_id for event in chunk]
        return published

    async def apublish(self, event: Event) -> UUID:
        """As ``publish``, without blocking the event loop; calls at the same time share round trips."""
        await self._aput([Call.of(event)])
        return event.event_id

    def publish_unchecked(
        self, event_type: str, payload: Mapping[str, Any], *, event_id: UUID | None = None
    ) -> UUID:
        """Put on the queue what fits no contract, and return the id of its job.

        By default its ``key`` makes the id, or it is a fresh one. A worker refuses it with the name of the
        field: it stands in RQ's failed registry, where people see it, and is not lost. The payload may hold
        anything.

        Raises:
            PublishError: neither Redis nor the outbox took it in time.
        """
        call = Call.unchecked(event_id, event_type, payload)
        self._put([call])
        return call.event_id

    async def apublish_unchecked(
        self, event_type: str, payload: Mapping[str, Any], *, event_id: UUID | None = None
    ) -> UUID:
        """As ``publish_unchecked``, without blocking the event loop."""
        call = Call.unchecked(event_id, event_type, payload)
        await self._aput([call])
        return call.event_id

    def drain(self) -> int:
        """Bring what waits in the outbox to the queue, in its order; how many events that were.

        Raises:
            PublishError: Redis or the outbox's file is away; what is left waits on.
        """
        return self._courier.drain() if self._courier else 0

    def close(self) -> None:
        """Give the connections back. Nothing can be published afterwards."""
        self._closed = True
        self._keep_what_is_in_doubt(self._watch.stop())
        if self._courier:
            self._courier.stop()
        self._sender.close()
        for queue in (self._queue, self._hurried, self._later):
            queue.close()
        self._redis.close()

    def _keep_what_is_in_doubt(self, calls: Sequence[Call]) -> None:
        """What Redis has forgotten, or may have: the outbox keeps it for the next process."""
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
        try:
            if not self._at_once(calls):
                wait(self._send(calls), deadline - self._reserve, PublishError)
        except PublishError as error:
            wait(self._keep(calls, error), deadline, OutboxFailed)

    async def _aput(self, calls: Sequence[Call]) -> None:
        deadline = self._begin(len(calls))
        try:
            await wait_async(self._send(calls), deadline - self._reserve, PublishError)
        except PublishError as error:
            await wait_async(self._keep(calls, error), deadline, OutboxFailed)

    def _begin(self, events: int) -> float:
        """The instant until which the caller waits."""
        if self._closed:
            raise PublisherClosed
        return time.monotonic() + self._within + _MORE * (events - 1)

    @property
    def _reserve(self) -> float:
        """Seconds that are the file's."""
        return self._within * (1 - _TO_REDIS) if self._courier else 0.0

    @property
    def _is_away(self) -> bool:
        # Just now it was: nobody else need wait to find that out, where there is an outbox.
        return self._courier is not None and time.monotonic() < self._away_until

    def _at_once(self, calls: Sequence[Call]) -> bool:
        """Whether it is done already, without the detour over another thread."""
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
