"""The chat's side of the queue."""

import asyncio
import logging
import os
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from hashlib import sha1
from importlib.resources import files
from itertools import islice
from pathlib import Path
from threading import Thread
from typing import Any, Self
from uuid import UUID

import redis
from redis.exceptions import NoScriptError, RedisError

from events import clock, job
from events.contracts import Event
from events.errors import InvalidRedisUrl, OutboxFailed, PublisherClosed, PublishError
from events.job import Call
from events.outbox import Outbox

_log = logging.getLogger("botlive.events")

_SCRIPT = files("events").joinpath("publish.lua").read_text(encoding="utf-8")
_SCRIPT_SHA = sha1(_SCRIPT.encode(), usedforsecurity=False).hexdigest()
_NUMBER_OF_KEYS = 4
_PAUSE = 1.0  # seconds between two tries to reach a Redis that is away
_THREADS = 4  # for calls of the event loop
_CHUNK = 500  # events a round trip: some 500 KB, so that Redis stays responsive for others


class Publisher:
    """Publishes events to Redis, each as one RQ job whose id is the event's id.

    What Redis does not confirm is kept in the outbox, where there is one, and delivered in the
    background. Publishing an event again is harmless: it is persisted once. Safe to share between
    threads, and after a fork.
    """

    def __init__(
        self, connection: redis.Redis, *, queue: str = job.QUEUE, outbox: Outbox | None = None
    ) -> None:
        self._redis = connection
        self._keys = job.Keys.of(queue)
        self._closed = False
        self._outbox = outbox
        self._away_until = 0.0
        self._courier: Thread | None = None
        self._threads: ThreadPoolExecutor | None = None
        self._process = os.getpid()
        if outbox is not None and _has_any(outbox):
            self._deliver_later()

    @classmethod
    def from_env(cls) -> Self:
        """A publisher to ``REDIS_URL`` (default: this machine) on the queue ``BOTLIVE_QUEUE``.

        ``BOTLIVE_OUTBOX`` names the file of its outbox; what waits there from before is delivered.
        """
        try:
            connection = redis.Redis.from_url(
                os.environ.get("REDIS_URL") or "redis://127.0.0.1:6379/0",
                socket_connect_timeout=0.25,
                socket_timeout=0.25,
            )
        except ValueError:  # redis-py's own message may quote the password
            raise InvalidRedisUrl from None
        file = os.environ.get("BOTLIVE_OUTBOX")
        outbox = Outbox(Path(file)) if file else None
        return cls(connection, queue=os.environ.get("BOTLIVE_QUEUE") or job.QUEUE, outbox=outbox)

    def publish(self, event: Event) -> UUID:
        """Put the event on the queue and return its id, which is its order's or session's id too.

        Raises:
            PublishError: neither Redis nor the outbox took it.
        """
        return self.publish_many([event])[0]

    def publish_many(self, events: Iterable[Event]) -> list[UUID]:
        """Put the events on the queue in their order, hundreds to a round trip.

        Raises:
            PublishError: not all were taken; publishing all of them again is harmless.
        """
        if self._closed:
            raise PublisherClosed
        published: list[UUID] = []
        stream = iter(events)
        while chunk := list(islice(stream, _CHUNK)):
            self._put([Call.of(event) for event in chunk])
            published += [event.event_id for event in chunk]
        return published

    async def apublish(self, event: Event) -> UUID:
        """As ``publish``, without blocking the event loop."""
        return await self._in_thread(partial(self.publish, event))

    def publish_unchecked(
        self, event_type: str, payload: Mapping[str, Any], *, event_id: UUID | None = None
    ) -> UUID:
        """Put on the queue what fits no contract, and return the id (by default a fresh one) of its job.

        A worker refuses it with the name of the field: it stands in RQ's failed registry, where people
        see it, and is not lost. The payload may hold anything.

        Raises:
            PublishError: neither Redis nor the outbox took it.
        """
        if self._closed:
            raise PublisherClosed
        call = Call.unchecked(event_id or clock.new_id(), event_type, payload)
        self._put([call])
        return call.event_id

    async def apublish_unchecked(
        self, event_type: str, payload: Mapping[str, Any], *, event_id: UUID | None = None
    ) -> UUID:
        """As ``publish_unchecked``, without blocking the event loop."""
        return await self._in_thread(partial(self.publish_unchecked, event_type, payload, event_id=event_id))

    def drain(self) -> int:
        """Bring what waits in the outbox to the queue, in its order; how many events that were.

        Raises:
            PublishError: Redis or the outbox's file is away; what is left waits on.
        """
        delivered = 0
        if self._outbox is None:
            return delivered
        while not self._closed and (waiting := self._outbox.oldest(_CHUNK)):
            self._queue([call for _, call in waiting])
            self._outbox.remove([number for number, _ in waiting])
            delivered += len(waiting)
        return delivered

    def close(self) -> None:
        """Give the connections back. Nothing can be published afterwards."""
        self._closed = True
        if self._threads:
            self._threads.shutdown(wait=False)
        self._redis.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    async def _in_thread(self, call: Callable[[], UUID]) -> UUID:
        # Threads of its own: the loop's default ones look up names, which must not wait for Redis.
        if self._threads is None or self._process != os.getpid():  # a fork leaves the threads behind
            self._threads, self._process = ThreadPoolExecutor(_THREADS, "botlive-publisher"), os.getpid()
        return await asyncio.get_running_loop().run_in_executor(self._threads, call)

    def _put(self, calls: Sequence[Call]) -> None:
        if self._outbox is None:
            self._queue(calls)
        elif not self._queued(calls):
            self._outbox.add(calls)
            self._deliver_later()

    def _queued(self, calls: Sequence[Call]) -> bool:
        if time.monotonic() < self._away_until:
            return False  # just now it was away: nobody else need wait to find that out
        try:
            self._queue(calls)
        except PublishError:
            self._away_until = time.monotonic() + _PAUSE
            return False
        return True

    def _queue(self, calls: Sequence[Call]) -> None:
        contested = self._send([(call, call.own_id) for call in calls])
        if contested and self._send([(call, call.contested_id) for call in contested]):
            raise PublishError

    def _deliver_later(self) -> None:
        # Two couriers do no harm: an event that is on the queue already is not put there again.
        if self._courier is None or not self._courier.is_alive():
            self._courier = Thread(target=self._deliver, name="botlive-outbox", daemon=True)
            self._courier.start()

    def _deliver(self) -> None:
        while not self._closed:
            try:
                self.drain()
            except PublishError:
                time.sleep(_PAUSE)
            else:
                return

    def _send(self, jobs: Sequence[tuple[Call, str]]) -> list[Call]:
        """One round trip; returns the calls whose id is taken by another event."""
        try:
            replies = self._evaluate(jobs)
        except (RedisError, OSError) as error:
            raise PublishError from error
        return [call for (call, _), reply in zip(jobs, replies, strict=True) if not reply]

    def _evaluate(self, jobs: Sequence[tuple[Call, str]]) -> list[Any]:
        pipeline = self._redis.pipeline(transaction=False)
        for call, job_id in jobs:
            pipeline.evalsha(_SCRIPT_SHA, _NUMBER_OF_KEYS, *self._keys.arguments(call, job_id))
        # redis-py before 6.0 quotes the whole command, a customer's number too, in what it raises.
        replies = pipeline.execute(raise_on_error=False)
        errors = [reply for reply in replies if isinstance(reply, Exception)]
        if any(isinstance(error, NoScriptError) for error in errors):
            # A fresh or restarted server. What did get through is sent again: that does no harm.
            self._redis.script_load(_SCRIPT)
            return self._evaluate(jobs)
        if errors:
            raise errors[0]
        return replies


def _has_any(outbox: Outbox) -> bool:
    try:
        return len(outbox) > 0
    except OutboxFailed:  # while Redis takes the events the chat can do without
        _log.error("the outbox %s cannot be opened: mend it before Redis is away", outbox.path)
        return False
