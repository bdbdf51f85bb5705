"""The workers of the model: the real ``Consumer``, one pass of its loop at a time."""

import random
from contextlib import nullcontext
from datetime import UTC, datetime
from typing import Any, cast
from unittest.mock import patch

from rq import SimpleWorker
from rq.exceptions import StopRequested
from rq.serializers import JSONSerializer

from events.publishing.keys import LEASE
from tests.model.client import Gate, Killed, Server
from tests.model.clock import Clock
from tests.model.gateway import Database, Line
from tests.model.releases import older
from worker.breaker import Breaker
from worker.consumer import Consumer
from worker.event_job import EventJob
from worker.event_queue import EventQueue

MOST = 4  # events in one call; so few that a shop soon has an overflow queue
_PATIENCE = 2.0  # seconds


class OnePass(Consumer):
    """A worker whose loop ends after one pass."""

    passes = 0

    @property
    def _stopping(self) -> bool:
        self.passes -= 1
        return self.passes < 0

    @_stopping.setter
    def _stopping(self, _: bool) -> None: ...

    @property
    def should_run_maintenance_tasks(self) -> bool:
        """Whether RQ's clean-up is due; a rule of the model runs it."""
        return False


class Worker:
    """A worker's process."""

    def __init__(
        self, server: Server, queue: str, database: Database, clock: Clock, *, is_older: bool = False
    ) -> None:
        self.is_older = is_older
        """Whether it does not know what the newer release added."""
        self.gate = Gate()
        self.line = Line(database)
        self.is_stopped = False
        self.is_doubtful = False
        """Whether its claims may differ from what it knows: its lease ran out, or Redis forgot something."""
        breaker = Breaker(MOST, clock=clock.monotonic, rng=random.Random(0), sleep=clock.sleep)
        self.consumer = OnePass(
            queue, server.client(self.gate), cast("Any", self.line), breaker, patience=_PATIENCE
        )
        self.owner = self.consumer.name

    @property
    def lease(self) -> str:
        """The key of its lease."""
        return LEASE + self.owner

    @property
    def is_alive(self) -> bool:
        """Whether its process runs."""
        return not (self.gate.is_dead or self.is_stopped)

    @property
    def held(self) -> set[str]:
        """The jobs that it knows it holds."""
        batches = self.consumer._batches
        return batches.job_ids | batches.unrecorded

    def start(self) -> None:
        """Take the lease, as ``Consumer.run`` does."""
        self.consumer.birth_date = self.consumer.last_heartbeat = datetime.now(UTC)
        self._live(self.consumer._claims._renew, lambda jobs: None)
        self._live(self.consumer._probe.start)
        self._live(self.consumer._apart.check)

    def turn(self) -> None:
        """Run one pass of the loop."""
        has_resent, self.gate.has_resent = self.gate.has_resent, False
        upkeep = self.consumer._last_upkeep
        alone = [batch for batch in self.consumer._batches._under_way if len(batch.deliveries) == 1]
        self.consumer.passes = 1
        try:
            self._live(self.consumer.dequeue_job_and_maintain_ttl, None)
        except StopRequested:  # suspended: a burst ends
            self.stop()
        for batch in alone:
            is_over = batch not in self.consumer._batches._under_way
            if is_over and (not batch.answer.done() or batch.answer.exception(0)):
                self.line.failed_alone[batch.job_ids[0]] += 1
        # The upkeep gives back what the worker held without knowing.
        self.gate.has_resent |= has_resent and self.consumer._last_upkeep == upkeep

    def turn_with_lost_claim(self) -> None:
        """Run one pass, in which the answer to the claim is lost, so that the client sends it again."""
        claims = self.consumer._claims
        claim = claims._claim

        def twice(**arguments: Any) -> Any:
            claim(**arguments)
            self.gate.has_resent = True
            return claim(**arguments)

        with patch.object(claims, "_claim", twice):
            self.turn()

    def renew(self) -> None:
        """Renew the lease, and recover the jobs of dead workers."""
        self.consumer.birth_date = self.consumer.last_heartbeat = datetime.now(UTC)
        self._live(self.consumer._claims._renew, lambda jobs: None)

    def check_apart(self) -> None:
        """Ask about the kinds that wait apart."""
        self._live(self.consumer._apart.check)

    def clean_up(self) -> None:
        """Run RQ's clean-up."""
        self._live(self.consumer.run_maintenance_tasks)

    def stop(self) -> None:
        """Stop in order."""
        self._live(self.consumer._shut_down)
        self.is_stopped = True

    def kill(self) -> None:
        """End the process now."""
        self.gate.is_dead = True

    def _live(self, act: Any, *arguments: Any) -> None:
        try:
            with older() if self.is_older else nullcontext():
                act(*arguments)
        except Killed:
            assert self.gate.is_dead


class Stock:
    """RQ's own worker."""

    def __init__(self, server: Server, queue: str) -> None:
        self.gate = Gate()
        self._connection = server.client(self.gate)
        self._queues = [EventQueue(queue, self._connection)]
        self._worker = SimpleWorker(
            self._queues, connection=self._connection, job_class=EventJob, serializer=JSONSerializer
        )

    def run(self, commands: int | None) -> None:
        """Run one job, if one waits. The worker may be killed at a command."""
        self.gate.arm(-1 if commands is None else commands, "before")
        try:
            if found := EventQueue.dequeue_any(self._queues, None, self._connection):
                self._worker.execute_job(*found)
        except Killed:
            assert self.gate.is_dead
