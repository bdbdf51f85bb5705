"""The state of one run of the model, and the steps that change it. ``machine`` chooses the steps."""

import time
from collections import Counter
from typing import Any, NamedTuple
from unittest.mock import patch

from rq import Queue
from rq.registry import StartedJobRegistry
from rq.serializers import JSONSerializer

from events.publishing.keys import Keys
from operations.failed.registry import FailedRegistry
from tests.model.chats import QUEUE, Chats, recent
from tests.model.client import Client, Server
from tests.model.clock import Calls, Clock
from tests.model.gateway import Database, Line
from tests.model.picture import ID, Camera, Picture
from tests.model.workers import Stock, Worker
from worker import job
from worker.batches import DEATHS
from worker.persister import Persister

_TRIES_ALONE = 4
_LONG = 10**9  # seconds


class Memory(NamedTuple):
    """What a replica has taken of Redis, and what was true then."""

    remembered: Any
    since: float
    discarded: set[str]
    unpromised: set[str]


class World(Chats):
    """One Redis, one database, some workers, and what was published."""

    def __init__(self, server: Server) -> None:
        super().__init__(server, Clock())
        self.server = server
        self.calls = Calls(self.clock)
        self.database = Database()
        self.registry = FailedRegistry(self.redis, QUEUE)
        self.camera = Camera(server, QUEUE)
        self.picture = self.camera.picture
        self.workers: list[Worker] = []
        self._stock: Stock | None = None
        self.discarded: set[str] = set()
        self.memory: Memory | None = None
        self._blamed: set[str] = set()
        self._deaths: Counter[str] = Counter()
        self._errors: dict[str, str | None] = {}
        """Why newer events have failed."""
        self._seen = -1

    # Redis.

    def remember(self) -> None:
        """Let a replica copy the content of Redis."""
        remembered = self.server.remember()
        self.memory = Memory(remembered, self.clock.now, {*self.discarded}, {*self.unpromised})

    def forget(self) -> None:
        """Let Redis lose all writes since ``remember``."""
        assert self.memory
        self.server.forget(self.memory.remembered)
        self._seen = -1
        self.discarded = self.memory.discarded
        for event_id in self.unpromised - self.memory.unpromised:
            del self.events[event_id]
        self.unpromised &= self.memory.unpromised
        self.twice |= self.events.keys()
        self.memory = None
        for worker in self.workers:
            worker.is_doubtful = True

    # The workers.

    @property
    def living(self) -> list[Worker]:
        """The workers whose process runs."""
        return [worker for worker in self.workers if worker.is_alive]

    def start_worker(self, *, is_older: bool = False) -> None:
        """Start a worker."""
        worker = Worker(self.server, QUEUE, self.database, self.clock, is_older=is_older)
        self.workers.append(worker)
        self._count_deaths()
        worker.start()

    def upgrade(self) -> None:
        """Stop the older workers in order, and start a newer one for each."""
        for worker in self.living:
            if worker.is_older:
                worker.stop()
                self.start_worker()

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

    def take_over(self, *, is_refused: bool, is_back: bool) -> None:
        """Let a lease run out, and another worker take jobs over. The slow worker may come back then."""
        other, *_, slow = sorted(self.living, key=lambda worker: len(worker.held))
        slow.turn()
        before = [*self.calls.pending]
        self.end_lease(slow)
        self.renew(other)
        if other.is_alive:
            other.turn()
        if is_refused:
            events = {job_id[:ID] for job_id in slow.held & other.held}
            self.database.refused |= events
            self._blamed |= events
        if is_back:
            for answer in [each for each in self.calls.pending if each in before]:
                answer.run()
            if slow.is_alive:
                slow.turn()

    def run_stock(self, commands: int | None) -> None:
        """Run one job with RQ's own worker, which may be killed at a command."""
        if self._stock is None or self._stock.gate.is_dead:
            self._stock = Stock(self.server, QUEUE)
        self._blamed |= {
            job_id[:ID] for job_id in self.picture.queue
        }  # it has no breaker: an outage fails its job
        line = Line(self.database)
        with patch.object(job, "persister", lambda: Persister(line, apart=True)):
            self._stock.run(commands)

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
        if self._seen != Client.commands:
            self.camera.look()
            self._errors = {
                job_id: error for job_id, error in self._errors.items() if job_id in self.picture.failed
            }
            self._seen = Client.commands
        return self.picture

    def is_guilty(self, job_id: str) -> bool:
        """Return whether the event may be set aside."""
        alone = any(worker.line.failed_alone[job_id] >= _TRIES_ALONE for worker in self.workers)
        if alone or self._deaths[job_id] >= DEATHS:
            self._blamed.add(job_id[:ID])
        return job_id[:ID] in self._blamed or self._is_too_new(job_id)

    def spoil(self, number: int, *, is_poisonous: bool) -> None:
        """Let one of the latest events be one that the database refuses, or one that makes its calls fail."""
        event_id = recent([*self.events], number)
        (self.database.poisonous if is_poisonous else self.database.refused).add(event_id)
        self._blamed.add(event_id)  # it may be set aside from now on

    def end(self) -> None:
        """Heal everything, replace all workers by a new one, and let it work until nothing is left."""
        for worker in self.workers:
            worker.kill()
            self.redis.delete(worker.lease)
        while self.calls.pending:
            self.calls.pending[0].run()
        self.database.heal()
        self.redis.delete("rq:suspended")
        for by, _ in enumerate(self.publishers):
            self.drain(by, None)
            self.look_for_forgotten(by, None)
        self.start_worker()
        for _ in range(4):
            self._finish(self.workers[-1])
            if not (self.look().failed or self.picture.running):
                return
            self.clean_up(self.workers[-1])
            self.replay()

    def _is_too_new(self, job_id: str) -> bool:
        """Return whether an older worker has set the event aside with the reason that says to upgrade it."""
        if job_id[:ID] not in self.newer or not any(worker.is_older for worker in self.workers):
            return False
        if job_id not in self._errors:
            [detail] = self.registry.find([job_id])
            self._errors[job_id] = detail.failure.reason.error
        return self._errors[job_id] == "NewerEvent"

    def _finish(self, worker: Worker) -> None:
        picture = self.picture
        for _ in range(400):
            worker.turn()
            while self.calls.pending:
                self.calls.pending[0].run()
            self.look()
            if not (picture.queue or picture.overflow or worker.held):
                worker.check_apart()
                self.look()
                if not (picture.queue or picture.apart):
                    return
            self.clock.sleep(0.125)
        raise AssertionError(f"never done: {picture}")

    def _count_deaths(self) -> None:
        for ids in self.look().abandoned().values():
            if len(ids) == 1:
                self._deaths[ids[0]] += 1
