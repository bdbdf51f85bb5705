"""The chat's side of the queue."""

import asyncio
import os
from collections.abc import Iterable, Mapping, Sequence
from hashlib import sha1
from importlib.resources import files
from itertools import islice
from typing import Any, Self
from uuid import UUID

import redis
from redis.exceptions import NoScriptError, RedisError

from events import clock, job
from events.contracts import Event
from events.errors import InvalidRedisUrl, PublisherClosed, PublishError
from events.job import Call

_SCRIPT = files("events").joinpath("publish.lua").read_text(encoding="utf-8")
_SCRIPT_SHA = sha1(_SCRIPT.encode(), usedforsecurity=False).hexdigest()
_NUMBER_OF_KEYS = 4
_CHUNK = 500  # events a round trip: some 500 KB, so that Redis stays responsive for others


class Publisher:
    """Publishes events to Redis, each as one RQ job whose id is the event's id.

    Publishing an event again is harmless: it is persisted once. Safe to share between threads.
    """

    def __init__(self, connection: redis.Redis, *, queue: str = job.QUEUE) -> None:
        self._redis = connection
        self._keys = job.Keys.of(queue)
        self._closed = False

    @classmethod
    def from_env(cls) -> Self:
        """A publisher to ``REDIS_URL`` (default: this machine) on the queue ``BOTLIVE_QUEUE``."""
        try:
            connection = redis.Redis.from_url(
                os.environ.get("REDIS_URL") or "redis://127.0.0.1:6379/0",
                socket_connect_timeout=0.25,
                socket_timeout=0.25,
            )
        except ValueError:  # redis-py's own message may quote the password
            raise InvalidRedisUrl from None
        return cls(connection, queue=os.environ.get("BOTLIVE_QUEUE") or job.QUEUE)

    def publish(self, event: Event) -> UUID:
        """Put the event on the queue and return its id, which is its order's or session's id too.

        Raises:
            PublishError: Redis did not confirm it.
        """
        return self.publish_many([event])[0]

    def publish_many(self, events: Iterable[Event]) -> list[UUID]:
        """Put the events on the queue in their order, hundreds to a round trip.

        Raises:
            PublishError: Redis did not confirm them all; publishing all of them again is harmless.
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
        return await asyncio.to_thread(self.publish, event)

    def publish_unchecked(
        self, event_type: str, payload: Mapping[str, Any], *, event_id: UUID | None = None
    ) -> UUID:
        """Put on the queue what fits no contract, and return the id (by default a fresh one) of its job.

        A worker refuses it with the name of the field: it stands in RQ's failed registry, where people
        see it, and is not lost. The payload may hold anything.

        Raises:
            PublishError: Redis did not confirm it.
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
        return await asyncio.to_thread(self.publish_unchecked, event_type, payload, event_id=event_id)

    def close(self) -> None:
        """Give the connections back. Nothing can be published afterwards."""
        self._closed = True
        self._redis.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _put(self, calls: Sequence[Call]) -> None:
        contested = self._send([(call, call.own_id) for call in calls])
        if contested and self._send([(call, call.contested_id) for call in contested]):
            raise PublishError

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
