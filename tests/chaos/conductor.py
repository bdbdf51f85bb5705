"""Makes each fault happen, and sees that it did."""

import random
import time
from collections import Counter
from collections.abc import Callable
from functools import partial
from itertools import count

from devstack.server import Server
from tests.chaos import amnesia
from tests.chaos.faults import Hold, act
from tests.chaos.intruders import intrude
from tests.chaos.proxy import Proxy, Rule
from tests.chaos.publishers import PublisherProcess
from tests.chaos.reruns import Reruns
from tests.chaos.schedule import Fault, Kind
from tests.chaos.site import Site
from tests.chaos.stream import Plan
from tests.chaos.workers import Workers

_NUDGE = 3.0  # seconds without a call, after which fresh events are published
_PATIENCE = 90.0  # seconds until a fault has landed, or until a backlog is smaller
_BACKLOG = 400  # jobs that may be left when the next step begins
_COMPANY = 2  # workers that are up when one is taken away: recovery is the work of those that live
_POLL = 0.02  # seconds


class NotLanded(AssertionError):
    """A fault could not be made to happen: the message says in which portion, and why."""


class Conductor:
    """One step at a time: publish a portion, and let its fault happen meanwhile."""

    def __init__(
        self,
        plan: Plan,
        site: Site,
        proxy: Proxy,
        workers: Workers,
        publishers: list[PublisherProcess],
        reruns: Reruns,
    ) -> None:
        self.landed: Counter[Kind] = Counter()
        """The faults that were seen to happen, by kind."""
        self.stray = 0
        """Kills on top, which did not find the worker in the state wanted."""
        self._plan = plan
        self._site = site
        self._proxy = proxy
        self._workers = workers
        self._publishers = publishers
        self._reruns = reruns
        self._extra = count(plan.portions)

    def step(self, portion: int, fault: Fault) -> None:
        """Publish the portion under the fault; back when it has landed.

        Raises:
            NotLanded: the fault did not happen in time; the portion is published all the same.
            PublisherStuck: a publisher is too far behind.
        """
        try:
            self._wait_for_room(portion)
            intrude(self._site, self._plan.seed, portion)
            self._way(fault)(portion, fault)
        except NotLanded:
            self.publish(portion)  # for the second time perhaps, which does no harm
            raise
        self.landed[fault.kind] += 1

    def _way(self, fault: Fault) -> Callable[[int, Fault], None]:
        ways = {
            Kind.WAITING: self._kill_waiting,
            Kind.CLAIMED: self._kill_in_hand,
            Kind.COMMITTED: self._kill_in_hand,
            Kind.TERMINATED: self._terminate,
            Kind.PUBLISHER: self._kill_publisher,
            Kind.REDIS: self._restart_redis,
            Kind.FORGOTTEN: self._forget,
            Kind.POSTGRES: self._restart_postgres,
        }
        return ways.get(fault.kind, self._on_the_path)

    def publish(self, portion: int) -> None:
        """Publish the portion and do nothing else.

        Raises:
            PublisherStuck: a publisher is too far behind.
        """
        self._workers.supervise()
        intrude(self._site, self._plan.seed, portion)
        self._send(portion)

    def _send(self, portion: int) -> None:
        for publisher in self._publishers:
            publisher.send(portion)

    def _wait_for_room(self, portion: int) -> None:
        """Until the backlog is small. On a busy machine that may take long: what counts is that it moves."""
        while (left := self._site.left()) > _BACKLOG:
            self._until(partial(self._has_fewer_than, left), portion, "the backlog stays")

    def _has_fewer_than(self, jobs: int) -> bool:
        return self._site.left() < jobs

    def _until(self, condition: Callable[[], object], portion: int, trouble: str) -> None:
        deadline = time.monotonic() + _PATIENCE
        while not condition():
            if time.monotonic() > deadline:
                ended = f"; workers that ended of themselves: {len(self._workers.exits)}"
                raise NotLanded(f"portion {portion}: {trouble}{ended}")
            self._workers.supervise()
            time.sleep(_POLL)

    # Faults of the path.

    def _on_the_path(self, portion: int, fault: Fault) -> None:
        rule = self._proxy.arm(act(fault), 0.0 if fault.kind is Kind.HANGING else fault.seconds)
        self._send(portion)
        self._await(rule, portion)

    def _await(self, rule: Rule, portion: int) -> None:
        self._until(lambda: rule.landed.wait(_NUDGE) or self._nudge(), portion, "no call came")

    def _nudge(self) -> bool:
        """Publish fresh events, so that calls come which have something to write."""
        self._send(next(self._extra))
        return False

    # Kills.

    def _kill_waiting(self, portion: int, fault: Fault) -> None:
        dice = random.Random(fault.variant)
        self._send(portion)
        self._until(lambda: self._has_company() and self._kill_idle(dice), portion, "no worker waited")

    def _kill_idle(self, dice: random.Random) -> bool:
        """Whether a worker was killed that had nothing in hand."""
        found = self._workers.idle(dice)
        if not found:
            return False
        killed = time.monotonic()
        self._workers.kill(found[1])
        held = self._reruns.add(found[0], killed)
        self.stray += bool(held)
        return not held

    def _has_company(self) -> bool:
        return len(self._workers.names()) >= _COMPANY

    def _kill_in_hand(self, portion: int, fault: Fault) -> None:
        written = fault.kind is Kind.COMMITTED
        self._until(self._has_company, portion, "too few workers are up")
        self._send(portion)
        kill = partial(self._kill_a_holder, portion, written=written)
        self._until(kill, portion, "no worker had it in hand")

    def _kill_a_holder(self, portion: int, *, written: bool) -> bool:
        hold = Hold(self._proxy, done=written)
        self._await(hold.rule, portion)
        killed = self._kill_holder(hold.rule, written=written)
        hold.release(lost=killed)
        return killed

    def _kill_holder(self, rule: Rule, *, written: bool) -> bool:
        """Whether the worker that makes this call was killed in the state that is wanted."""
        ids = list(rule.event_ids)
        holders = {job_id[:36]: owner for job_id, owner in self._site.holders().items()}
        owners = Counter(holders[event_id] for event_id in ids if event_id in holders)
        owner = max(owners, key=lambda name: owners[name], default="")
        process = self._workers.names().get(owner)
        persisted = self._site.persisted(ids)
        if process is None or not (persisted if written else persisted < len(ids)):
            return False
        killed = time.monotonic()
        self._workers.kill(process)
        held = self._reruns.add(owner, killed)
        self.stray += not held
        return bool(held)

    def _terminate(self, portion: int, fault: Fault) -> None:
        self._send(portion)
        self._until(self._has_company, portion, "too few workers are up")
        self._workers.stop(random.Random(fault.variant).choice(list(self._workers.names().values())))

    def _kill_publisher(self, portion: int, fault: Fault) -> None:
        self._send(portion)
        self._publishers[fault.variant % len(self._publishers)].kill(portion)

    # Restarts.

    def _restart_redis(self, portion: int, fault: Fault) -> None:
        self._restart(self._site.stack.valkey, portion, fault)
        self._site.keep_what_is_acknowledged()

    def _forget(self, portion: int, fault: Fault) -> None:
        """Redis loses the last events that it confirmed, and with them what the workers did meanwhile.

        Nobody may have ended meanwhile: the harness counts what the dead held, and a publisher that is dead
        publishes nothing again.
        """
        self._until(self._is_quiet, portion, "what a dead worker held stays")
        valkey = self._site.stack.valkey
        since, before = amnesia.size_of(valkey), self._missed()
        self._send(portion)
        self._until(partial(self._has_done, portion), portion, "a publisher did not get it done")
        valkey.kill()
        amnesia.cut(valkey, amnesia.before_the_last(valkey, 1 + fault.variant, since=since))
        time.sleep(fault.seconds)
        valkey.start()
        self._site.keep_what_is_acknowledged()
        for publisher in self._publishers:
            publisher.look(portion)
        if self._missed() == before:
            raise NotLanded(f"portion {portion}: no publisher missed anything")

    def _is_quiet(self) -> bool:
        return self._reruns.are_over and not self._workers.are_leaving()

    def _has_done(self, portion: int) -> bool:
        return all(publisher.has_done(portion) for publisher in self._publishers)

    def _missed(self) -> int:
        return sum(publisher.missed() for publisher in self._publishers)

    def _restart_postgres(self, portion: int, fault: Fault) -> None:
        self._restart(self._site.stack.postgres, portion, fault)

    def _restart(self, server: Server, portion: int, fault: Fault) -> None:
        """With orders among the events that are published just before, meanwhile and just after."""
        self._send(portion)
        if fault.variant % 2:
            server.kill()
        else:
            server.stop()
        time.sleep(fault.seconds)
        server.start()
