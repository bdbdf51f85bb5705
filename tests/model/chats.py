"""The publishers of one run of the model, and what they have published."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import TypeVar, get_args
from uuid import UUID

from rq import Queue
from rq.serializers import JSONSerializer

from events import LiveToggled
from events.publishing.call import FUNCTION, Call
from events.publishing.watch import INTERVAL
from tests.model.client import Server
from tests.model.clock import Clock
from tests.model.publisher import Loss, publishers_of
from tests.model.releases import Known, Newer, made

QUEUE = "botlive"
_START = datetime(2026, 1, 1, tzinfo=UTC)
_Any = TypeVar("_Any")


class Chats:
    """Publishers on an empty Redis."""

    def __init__(self, server: Server, clock: Clock) -> None:
        self.clock = clock
        self.redis = server.client()
        self.redis.flushall()
        self.publishers = publishers_of(server, QUEUE)
        for publisher in self.publishers:
            publisher.begin(clock)
        self.events: dict[str, Call] = {}
        """What must be persisted or discarded in the end."""
        self.twice: set[str] = set()
        """The events that may be in several places: published again, or forgotten by Redis."""
        self.unpromised: set[str] = set()
        """The events that RQ's own ``enqueue`` put on the queue. Nobody publishes them again."""
        self.newer: set[str] = set()
        """The events that only the newer release knows."""
        self._number = 0

    def publish(
        self, shop: str, number: int, *, by: int = 0, kind: Known | Newer = "toggle", loss: Loss | None = None
    ) -> None:
        """Publish new events."""
        calls = [self._new(shop, kind) for _ in range(number)]
        self._put(calls, by, loss)

    def publish_again(self, number: int, by: int) -> None:
        """Publish an event once more."""
        call = recent([*self.events.values()], number)
        self.twice.add(call.own_id)
        self.unpromised.discard(call.own_id)
        self._put([call], by, None)

    def enqueue(self, shop: str) -> None:
        """Publish a new event with RQ's own ``enqueue``."""
        call = self._new(shop, "toggle")
        argument = call.data.removeprefix(f'["{FUNCTION}",null,[').removesuffix("],{}]")
        queue = Queue(QUEUE, self.redis, serializer=JSONSerializer)
        payload = LiveToggled.model_validate_json(argument).model_dump(mode="json", exclude_none=True)
        queue.enqueue(FUNCTION, payload, job_id=call.own_id, failure_ttl=-1)
        self.unpromised.add(call.own_id)

    def drain(self, by: int, loss: Loss | None) -> None:
        """Bring the events of an outbox to the queue."""
        publisher = self.publishers[by]
        publisher.loss = loss
        tried = publisher.drain()
        if loss in {"after", "once"}:
            self.twice |= tried

    def look_for_forgotten(self, by: int, loss: Loss | None) -> None:
        """Let a publisher look for what Redis has forgotten."""
        self.clock.sleep(INTERVAL)
        publisher = self.publishers[by]
        publisher.loss = loss
        self.twice |= publisher.knows_forgotten()
        publisher.look()
        left = publisher.knows_forgotten()
        assert loss or not left, f"forgotten by Redis, and not published again: {left}"

    def forgotten(self) -> set[str]:
        """Return the events that publishers would publish again."""
        return {event_id for publisher in self.publishers for event_id in publisher.knows_forgotten()}

    def _new(self, shop: str, kind: Known | Newer) -> Call:
        self._number += 1
        event_id = UUID(int=self._number)
        instant = _START + timedelta(seconds=self._number)
        event = made(kind, {"event_id": event_id, "company_id": shop, "occurred_at": instant})
        if kind in get_args(Newer):
            self.newer.add(str(event_id))
        call = self.events[str(event_id)] = Call.of(event)
        return call

    def _put(self, calls: Sequence[Call], by: int, loss: Loss | None) -> None:
        self.publishers[by].loss = loss
        self.publishers[by].publish(calls)
        if loss in {"after", "once"}:
            self.twice |= {call.own_id for call in calls}


def recent(found: Sequence[_Any], number: int) -> _Any:
    """Return one of the latest."""
    return found[-1 - number % len(found)]
