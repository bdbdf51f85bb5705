"""The steps of the model as a state machine of hypothesis, which chooses them and shortens what fails."""

import sys
from typing import ClassVar

import hypothesis.strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from tests.model import invariants
from tests.model.clock import controlled
from tests.model.gateway import Loss
from tests.model.server import How, Server
from tests.model.workers import Worker
from tests.model.world import World

_SHOPS = st.sampled_from(["a", "b", "c"])
_LOSS = st.sampled_from([None, None, None, "before", "after"])
_PICK = st.integers(0, 11)
_MOST_WORKERS, _MOST_EVENTS = 3, 24

has_events = precondition(lambda machine: machine.world.events)
has_published = precondition(lambda machine: machine.world.published)
has_room = precondition(lambda machine: len(machine.world.events) < _MOST_EVENTS)
has_workers = precondition(lambda machine: machine.world.living)
has_calls = precondition(lambda machine: machine.world.calls.pending)
has_failed = precondition(lambda machine: machine.world.picture.failed)


class Life(RuleBasedStateMachine):
    """The life of events, from the publisher to the inbox."""

    server: ClassVar[Server]
    steps: ClassVar[int] = 0
    """The number of steps of all runs."""

    def __init__(self) -> None:
        super().__init__()
        self.world = World(self.server)
        self._control = controlled(self.world.clock, self.world.calls)
        self._control.__enter__()
        Life.steps -= 1  # the first check is before the first step
        self.world.start_worker()

    def teardown(self) -> None:
        """End the run: everything is persisted in the end."""
        try:
            if sys.exc_info()[0] is None:  # otherwise a step has failed, and its error is the one to report
                self.world.end()
                invariants.check_end(self.world)
        finally:
            self._control.__exit__(None, None, None)

    @invariant()
    def holds(self) -> None:
        """Check what holds after each step, and count the step."""
        Life.steps += 1
        self.world.look()
        invariants.check(self.world)

    # Publishers.

    @has_room
    @rule(shop=_SHOPS, is_issue=st.booleans(), number=st.integers(1, 6))
    def publish(self, shop: str, is_issue: bool, number: int) -> None:
        """Publish new events of a shop."""
        for _ in range(number):
            self.world.publish(shop, is_issue=is_issue)

    @has_room
    @rule(shop=_SHOPS)
    def enqueue(self, shop: str) -> None:
        """Publish in the shape of RQ."""
        self.world.enqueue(shop)

    @has_published
    @rule(number=_PICK)
    def publish_again(self, number: int) -> None:
        """Publish a duplicate."""
        self.world.publish_again(number)

    # Workers.

    def _worker(self, number: int) -> Worker:
        living = self.world.living
        return living[number % len(living)]

    @precondition(lambda machine: len(machine.world.living) < _MOST_WORKERS)
    @rule()
    def start_worker(self) -> None:
        """Start a worker."""
        self.world.start_worker()

    @has_workers
    @rule(number=_PICK, passes=st.integers(1, 3))
    def turn(self, number: int, passes: int) -> None:
        """Let a worker claim, send and conclude."""
        worker = self._worker(number)
        for _ in range(passes):
            if worker.is_alive:
                worker.turn()

    @has_workers
    @rule(shop=_SHOPS, number=_PICK, loss=_LOSS)
    def work(self, shop: str, number: int, loss: Loss | None) -> None:
        """Let a worker take an event and meet the answer, as it does most of the time."""
        worker = self._worker(number)
        if len(self.world.events) < _MOST_EVENTS:
            self.world.publish(shop, is_issue=False)
        for _ in range(3):
            if worker.is_alive:
                worker.turn()
            if self.world.calls.pending:
                self.world.database.loss = loss
                self.world.calls.pending[-1].run()

    @has_workers
    @rule(number=_PICK)
    def renew(self, number: int) -> None:
        """Let a worker renew its lease and recover."""
        self.world.renew(self._worker(number))

    @has_workers
    @rule(number=_PICK, commands=st.integers(0, 5), how=st.sampled_from(["before", "after", "twice"]))
    def arm(self, number: int, commands: int, how: How) -> None:
        """Let something happen at one of the worker's next commands."""
        self._worker(number).gate.arm(commands, how)

    @has_workers
    @rule(number=_PICK)
    def kill(self, number: int) -> None:
        """Kill a worker."""
        self._worker(number).kill()

    @has_workers
    @rule(number=_PICK)
    def stop(self, number: int) -> None:
        """Stop a worker in order."""
        self._worker(number).stop()

    @precondition(lambda machine: machine.world.workers)
    @rule(number=_PICK)
    def end_lease(self, number: int) -> None:
        """Let a lease run out."""
        workers = self.world.workers
        self.world.end_lease(workers[number % len(workers)])

    @has_workers
    @rule(number=_PICK)
    def check_apart(self, number: int) -> None:
        """Let a worker ask about what waits apart."""
        self._worker(number).check_apart()

    @has_workers
    @rule(number=_PICK)
    def clean_up(self, number: int) -> None:
        """Let RQ clean up."""
        self.world.clean_up(self._worker(number))

    @has_events
    @rule(commands=st.none() | st.integers(0, 9))
    def run_stock(self, commands: int | None) -> None:
        """Let an older worker, RQ's own, run a job."""
        self.world.run_stock(commands)

    # The database.

    @has_calls
    @rule(number=_PICK, loss=_LOSS)
    def answer(self, number: int, loss: Loss | None) -> None:
        """Let the database answer any call; the answer may be lost."""
        pending = self.world.calls.pending
        self.world.database.loss = loss
        pending[number % len(pending)].run()

    @rule(is_away=st.booleans())
    def outage(self, is_away: bool) -> None:
        """Let the database go away or come back."""
        self.world.database.is_away = is_away

    @rule(is_narrow=st.booleans())
    def narrow(self, is_narrow: bool) -> None:
        """Let the database refuse large calls."""
        self.world.database.is_narrow = is_narrow

    @rule(shop=_SHOPS)
    def close(self, shop: str) -> None:
        """Let a shop's tables take no event, or take them again."""
        self.world.database.closed ^= {shop}

    @has_events
    @rule(number=_PICK, is_poisonous=st.booleans())
    def spoil(self, number: int, is_poisonous: bool) -> None:
        """Let an event be one that the database refuses, or one that makes its calls fail."""
        event_id = list(self.world.events)[number % len(self.world.events)]
        database = self.world.database
        (database.poisonous if is_poisonous else database.refused).add(event_id)
        self.world.blame(event_id)

    @rule(seconds=st.sampled_from([0.25, 1.0, 3.0, 40.0]))
    def wait(self, seconds: float) -> None:
        """Let time pass."""
        self.world.clock.sleep(seconds)

    # The operator, and Redis.

    @has_failed
    @rule()
    def replay(self) -> None:
        """Replay what failed."""
        self.world.replay()

    @has_failed
    @rule()
    def discard(self) -> None:
        """Discard one that failed."""
        self.world.discard()

    @rule(is_suspended=st.booleans())
    def suspend(self, is_suspended: bool) -> None:
        """Suspend RQ's workers, or resume them."""
        redis = self.world.redis
        redis.set("rq:suspended", 1) if is_suspended else redis.delete("rq:suspended")

    @rule()
    def remember(self) -> None:
        """Let Redis write down what it has."""
        self.world.remember()

    @rule()
    def forget(self) -> None:
        """Let Redis forget what it has not written down."""
        self.world.forget()

    @rule()
    def publish_owed(self) -> None:
        """Publish again what Redis has forgotten."""
        self.world.publish_owed()
