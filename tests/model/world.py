"""The state of one run of the model, and the steps that change it. ``machine`` chooses the steps."""

import time
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any
from unittest.mock import patch
from uuid import UUID

from rq import Queue
from rq.registry import StartedJobRegistry
from rq.serializers import JSONSerializer

from events import LiveToggled, PaymentIssue
from events.publishing import queue as publishing
from events.publishing.call import FUNCTION, Call
from events.publishing.keys import COUNTER, Keys
from operations.failed.registry import FailedRegistry
from tests.model.clock import Calls, Clock
from tests.model.gateway import Database, Line
from tests.model.picture import ID, Camera, Picture
from tests.model.server import Gate, Gated, Server
from tests.model.workers import Worker, run_stock
from worker import job
from worker.batches import DEATHS
from worker.persister import Persister

QUEUE = "botlive"
_TRIES_ALONE = 4
_START = datetime(2026, 1, 1, tzinfo=UTC)
_LONG = 10**9  # seconds


class World:
    """One Redis, one database, some workers, and what was published."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.redis = server.client()
        self.redis.flushall()
        self.clock = Clock()
        self.calls = Calls(self.clock)
        self.database = Database()
        self.registry = FailedRegistry(self.redis, QUEUE)
        self.camera = Camera(self.redis, QUEUE)
        self._publish = self.redis.register_script(publishing._SCRIPT)
        self.workers: list[Worker] = []
        self.events: dict[str, Call] = {}
        self.discarded: set[str] = set()
        self.twice: set[str] = set()
        """The events that may be in Redis more than once: published again, or forgotten by Redis."""
        self.owed: list[Call] = []
        """What Redis has forgotten and the publisher has not yet published again."""
        self.published: list[Call] = []
        """What Redis has or had, in order."""
        self._memory: tuple[list[Any], int, set[str]] | None = None
        self._blamed: set[str] = set()
        self._deaths: Counter[str] = Counter()
        self.picture = Picture()
        self._seen = -1

    # The publishers.

    def publish(self, shop: str, *, is_issue: bool) -> None:
        """Publish a new event."""
        self._put(self._new(shop, is_issue=is_issue))

    def publish_again(self, number: int) -> None:
        """Publish an event once more."""
        call = self.published[number % len(self.published)]
        self.twice.add(call.own_id)
        self._put(call)

    def enqueue(self, shop: str) -> None:
        """Publish a new event with RQ's own ``enqueue``."""
        call = self._new(shop, is_issue=False)
        argument = call.data.removeprefix(f'["{FUNCTION}",null,[').removesuffix("],{}]")
        queue = Queue(QUEUE, self.redis, serializer=JSONSerializer)
        payload = LiveToggled.model_validate_json(argument).model_dump(mode="json", exclude_none=True)
        queue.enqueue(FUNCTION, payload, job_id=call.own_id, failure_ttl=-1)
        self.published.append(call)

    def remember(self) -> None:
        """Let a replica copy the content of Redis."""
        self._memory = self.camera.dump(), len(self.published), {*self.discarded}

    def forget(self) -> None:
        """Let Redis lose all writes since ``remember``."""
        if self._memory is None or self.owed:
            return
        dumped, length, self.discarded = self._memory
        self.camera.restore(dumped)
        self.owed, self.published = self.published[length:], self.published[:length]
        self.twice |= self.events.keys()
        self._memory = None
        for worker in self.workers:
            worker.is_doubtful = True

    def publish_owed(self) -> None:
        """Publish again what Redis has forgotten."""
        owed, self.owed = self.owed, []
        for call in owed:
            self._put(call)

    def _new(self, shop: str, *, is_issue: bool) -> Call:
        number = len(self.events) + 1
        common: dict[str, Any] = {
            "event_id": UUID(int=number),
            "company_id": shop,
            "occurred_at": _START + timedelta(seconds=number),
        }
        event = (
            PaymentIssue(**common, user_id="customer", issue_type="payment", message="text")
            if is_issue
            else LiveToggled(**common, enabled=True)
        )
        call = self.events[str(event.event_id)] = Call.of(event)
        return call

    def _put(self, call: Call) -> None:
        if not self._is_taken(call, call.own_id):  # a job of RQ's own shape has this id
            assert self._is_taken(call, call.contested_id)
        self.published.append(call)

    def _is_taken(self, call: Call, job_id: str) -> bool:
        *keys_and_values, counted = [*call.arguments(Keys(QUEUE), job_id), ""]
        keys = [f"{COUNTER}model", *keys_and_values[:4]]
        return int(self._publish(keys=keys, args=[*keys_and_values[4:], counted])) >= 0

    # The workers.

    @property
    def living(self) -> list[Worker]:
        """The workers whose process runs."""
        return [worker for worker in self.workers if worker.is_alive]

    def start_worker(self) -> None:
        """Start a worker."""
        worker = Worker(self.server, QUEUE, self.database, self.clock)
        self.workers.append(worker)
        self._count_deaths()
        worker.start()

    def renew(self, worker: Worker) -> None:
        """Renew a lease, and recover the jobs of dead workers."""
        self._count_deaths()
        abandoned = {*self.picture.abandoned()} - {worker.owner}
        worker.renew()
        left = abandoned & {*self.look().abandoned()}
        assert not left or not worker.is_alive, f"not recovered: {left}"

    def end_lease(self, worker: Worker) -> None:
        """Let a lease run out; the worker may be dead, or only slow."""
        worker.is_doubtful = True
        self.redis.delete(worker.lease)

    def run_stock(self, commands: int | None) -> None:
        """Run one job with RQ's own worker, which may be killed at a command."""
        gate = Gate()
        if commands is not None:
            gate.arm(commands, "before")
        self._blamed |= {
            job_id[:ID] for job_id in self.picture.queue
        }  # it has no breaker: an outage fails its job
        line = Line(self.database)
        with patch.object(job, "persister", lambda: Persister(line, apart=True)):
            run_stock(self.server, QUEUE, gate)

    def clean_up(self, worker: Worker) -> None:
        """Let RQ clean up, long after."""
        self._blamed |= {job_id[:ID] for job_id in self.picture.running}
        self.redis.delete(Queue(QUEUE, self.redis).registry_cleaning_key)  # of one that was killed meanwhile
        for key in self.redis.scan_iter(f"{Keys(QUEUE).intermediate}:first_seen:*"):
            self.redis.set(key, 0)
        worker.clean_up()
        StartedJobRegistry(QUEUE, self.redis, serializer=JSONSerializer).cleanup(time.time() + _LONG)

    # The operator.

    def replay(self) -> None:
        """Replay all failed events."""
        self.registry.replay(self.registry.ids())

    def discard(self) -> None:
        """Discard the first of the failed events."""
        first = sorted(self.registry.ids())[:1]
        failures = [detail.failure for detail in self.registry.find(first)]
        self.discarded |= {failure.job_id[:ID] for failure in self.registry.discard(failures, "test")}

    # What the invariants look at.

    def look(self) -> Picture:
        """Read the content of Redis."""
        if self._seen != Gated.commands:
            self.picture = self.camera.take()
            self._seen = Gated.commands
        return self.picture

    def is_guilty(self, job_id: str) -> bool:
        """Return whether the event may be set aside."""
        alone = any(worker.line.failed_alone[job_id] >= _TRIES_ALONE for worker in self.workers)
        if alone or self._deaths[job_id] >= DEATHS:
            self._blamed.add(job_id[:ID])
        return job_id[:ID] in self._blamed

    def blame(self, event_id: str) -> None:
        """Record that the event may be set aside from now on."""
        self._blamed.add(event_id)

    def end(self) -> None:
        """Heal everything, replace all workers by a new one, and let it work until nothing is left."""
        for worker in self.workers:
            worker.kill()
            self.redis.delete(worker.lease)
        while self.calls.pending:
            self.calls.pending[0].run()
        self.database.heal()
        self.redis.delete("rq:suspended")
        self.publish_owed()
        self.start_worker()
        for _ in range(4):
            self._finish(self.workers[-1])
            if not (self.look().failed or self.picture.running):
                return
            self.clean_up(self.workers[-1])
            self.replay()

    def _finish(self, worker: Worker) -> None:
        for _ in range(400):
            worker.turn()
            while self.calls.pending:
                self.calls.pending[0].run()
            worker.check_apart()
            picture = self.look()
            if not (picture.queue or picture.overflow or picture.apart or worker.held):
                return
            self.clock.sleep(0.5)
        raise AssertionError(f"never done: {picture}")

    def _count_deaths(self) -> None:
        for ids in self.look().abandoned().values():
            if len(ids) == 1:
                self._deaths[ids[0]] += 1
