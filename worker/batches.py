"""Sends batches to the database, two at a time, and handles their jobs according to the answers."""

import time
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Protocol

from gateway.errors import (
    EventRefused,
    HandlerFailed,
    OutageOfOne,
    OversizedJob,
    PoisonousEvent,
    TransientFault,
    WaitsApart,
    WorkerError,
)
from worker.apart import Group, Kind
from worker.background import in_thread
from worker.breaker import Breaker
from worker.claims import Batch, Claim
from worker.decode import read
from worker.elements import plain_element
from worker.own_faults import OwnFaults
from worker.persister import Delivery, Persister
from worker.slowness import SLOW, Plain
from worker.underway import UnderWay
from worker.unpacking import unpack

DEPTH = 2
"""Batches in flight at once: while one is in the database, the next is claimed and prepared."""
HEAVIEST = 32_000_000
"""Bytes of unpacked calls after which a batch is full. A small compressed job may unpack to a large call."""
DEATHS = 3
"""Crashes of a worker that held only this event, after which the event is set aside."""


class Acknowledges(Protocol):
    """Records in Redis what happened to the jobs (``worker.ledger.Ledger``)."""

    def acknowledge(self, job_ids: Sequence[str]) -> None:
        """Remove the jobs: their events are persisted."""

    def fail(self, job_id: str, error: EventRefused) -> None:
        """Set the job aside, with its reason."""

    def give_back(self, job_ids: Sequence[str]) -> None:
        """Put the jobs back on the queue, in order, without counting an attempt."""


class PutsApart(Protocol):
    """Moves jobs apart (``worker.apart.Apart``)."""

    def group(self, kind: Kind) -> Group | None:
        """Return the group of the kind, if its events wait apart."""

    def put(self, job_ids: Sequence[str], kind: Kind, group: Group) -> None:
        """Move the jobs apart."""

    def judge(self, kind: Kind, plain: Mapping[str, Any]) -> WaitsApart | None:
        """Return the fault if the shop's tables reject every event of the kind."""

    def slow(self, plains: Sequence[Plain]) -> str | None:
        """Return the company whose tables do not answer in time, although those of another do."""


class Batches:
    """Sends batches, and concludes them in the order in which they were sent."""

    def __init__(
        self,
        persister: Persister,
        ledger: Acknowledges,
        apart: PutsApart,
        breaker: Breaker,
        *,
        patience: float,
    ) -> None:
        self._persister = persister
        self._ledger = ledger
        self._apart = apart
        self._breaker = breaker
        self._patience = patience
        self._own_faults = OwnFaults()
        self._under_way: deque[UnderWay] = deque()
        self.unrecorded: set[str] = set()
        """Claimed jobs that are no longer in flight, but whose result could not be recorded in Redis."""

    def __bool__(self) -> bool:
        return bool(self._under_way)

    @property
    def job_ids(self) -> set[str]:
        """The ids of all jobs in flight."""
        return {job_id for batch in self._under_way for job_id in batch.job_ids}

    @property
    def is_full(self) -> bool:
        """Whether the next batch must wait for an answer."""
        is_single = self._breaker.is_careful or any(batch.is_suspect for batch in self._under_way)
        return len(self._under_way) >= (1 if is_single else DEPTH)

    def send(self, batch: Batch) -> None:
        """Set aside the jobs that cannot be read, and send the others."""
        with self._recording(claim.job_id for claim in batch.claims):
            deliveries = self._divert_apart(self._deliveries(batch))
        while self._under_way and batch.kind == "suspects":
            self.conclude()
        if deliveries and self._breaker.is_open:
            self._ledger.give_back([delivery.job_id for delivery in deliveries])
        elif deliveries:
            answer = in_thread(lambda: self._persister.persist(deliveries))
            deadline = time.monotonic() + self._patience
            self._under_way.append(UnderWay(deliveries, answer, batch.kind == "suspects", deadline))

    def conclude(self, timeout: float | None = None) -> None:
        """Wait for the answer to the oldest batch and handle its jobs.

        Raises:
            TimeoutError: there was no answer within ``timeout`` seconds.
        """
        # If the oldest batch failed, the newer one is concluded first. Both may go back to the head of the
        # queue, and the older must end up in front. Also, the newer batch's success must not count as
        # a success after this failure.
        while self._under_way[0].wait_for_fault(timeout) and len(self._under_way) > 1:
            self._under_way[-1].wait_for_fault(timeout)
            self._conclude(self._under_way.pop())
        self._conclude(self._under_way.popleft())

    def _conclude(self, batch: UnderWay) -> None:
        fault = batch.wait_for_fault(0)
        with self._recording(batch.job_ids):
            if fault is None:
                self._breaker.passed()
                self._settle(batch, batch.answer.result())
            elif isinstance(fault, EventRefused):
                self._refused(batch, fault)
            elif isinstance(fault, WorkerError):
                self._failed(batch, fault)
            else:
                self._failed(batch, self._own_faults.fault(fault))

    @contextmanager
    def _recording(self, job_ids: Iterable[str]) -> Iterator[None]:
        """Add the jobs to ``unrecorded``, and remove them when the block succeeds."""
        ids = {*job_ids}
        self.unrecorded |= ids
        yield
        self.unrecorded -= ids

    def _deliveries(self, batch: Batch) -> list[Delivery]:
        """Read the claims of a batch, one after the other, until the batch is full; give the rest back."""
        made, weight = [], 0
        for number, claim in enumerate(batch.claims):
            if weight > HEAVIEST:
                self._ledger.give_back([later.job_id for later in batch.claims[number:]])
                break
            call = self._call(claim, batch.deaths)
            weight += len(call or b"")
            if call is not None and (delivery := self._read(claim, call)):
                made.append(delivery)
        return made

    def _call(self, claim: Claim, deaths: int) -> bytes | None:
        try:
            if deaths >= DEATHS:
                raise PoisonousEvent
            if claim.data is None:
                raise OversizedJob
            return unpack(claim.data)
        except EventRefused as error:
            self._ledger.fail(claim.job_id, error)
        return None

    def _read(self, claim: Claim, call: bytes) -> Delivery | None:
        try:
            return Delivery.of(claim.job_id, read(call), claim.published)
        except EventRefused as error:
            self._ledger.fail(claim.job_id, error)
        except Exception as error:  # noqa: BLE001 # a bug in a contract may raise any exception
            self._ledger.fail(claim.job_id, HandlerFailed(error))
        return None

    def _divert_apart(self, deliveries: Sequence[Delivery]) -> list[Delivery]:
        """Move events of a kind that waits apart to their group. Return the others."""
        kinds = {*map(_kind, deliveries)}
        groups = {kind: group for kind in kinds if (group := self._apart.group(kind))}
        return self._put_apart(deliveries, groups) if groups else list(deliveries)

    def _put_apart(self, deliveries: Sequence[Delivery], groups: Mapping[Kind, Group]) -> list[Delivery]:
        """Move the events of these kinds apart. Return the others."""
        for kind, group in groups.items():
            self._apart.put([each.job_id for each in deliveries if _kind(each) == kind], kind, group)
        return [delivery for delivery in deliveries if _kind(delivery) not in groups]

    def _settle(self, batch: UnderWay, errors: Sequence[EventRefused | WaitsApart | None]) -> None:
        pairs = list(zip(batch.deliveries, errors, strict=True))
        self._ledger.acknowledge([delivery.job_id for delivery, error in pairs if error is None])
        waiting: list[Delivery] = []
        groups: dict[Kind, Group] = {}
        for delivery, error in pairs:
            if isinstance(error, WaitsApart):
                waiting.append(delivery)
                groups[_kind(delivery)] = Group.of(error)
            elif error:
                self._ledger.fail(delivery.job_id, error)
        self._put_apart(waiting, groups)

    def _refused(self, batch: UnderWay, error: EventRefused) -> None:
        if len(batch.deliveries) == 1:
            self._ledger.fail(batch.job_ids[0], error)
        else:
            self._breaker.refused(len(batch.deliveries))
            self._ledger.give_back(batch.job_ids)

    def _failed(self, batch: UnderWay, fault: WorkerError) -> None:
        if isinstance(fault, TransientFault) and self._breaker.probes_pass and (slow := self._slow(batch)):
            self._breaker.explained()
            rest = self._put_apart(batch.deliveries, slow)
            self._ledger.give_back([delivery.job_id for delivery in rest])
        elif self._breaker.failed(batch.job_ids, fault):
            self._blame(batch.deliveries[0], fault)
        else:
            self._ledger.give_back(batch.job_ids)

    def _slow(self, batch: UnderWay) -> dict[Kind, Group]:
        """Return the kinds in the batch of the shop whose tables do not answer, if it is only one shop."""
        forms = {_kind(each): plain_element(each.element) for each in batch.deliveries}
        company = self._apart.slow([*forms.values()])
        return {
            kind: Group.of(WaitsApart(SLOW, plain=plain))
            for kind, plain in forms.items()
            if kind.company_id == company
        }

    def _blame(self, delivery: Delivery, fault: WorkerError) -> None:
        """Handle an event that failed alone several times: it waits apart if its shop is the cause."""
        shops_fault = self._apart.judge(_kind(delivery), plain_element(delivery.element))
        if shops_fault:
            self._apart.put([delivery.job_id], _kind(delivery), Group.of(shops_fault))
        else:
            self._ledger.fail(delivery.job_id, OutageOfOne(cause=f"{type(fault).__name__}: {fault}"))


def _kind(delivery: Delivery) -> Kind:
    return Kind(delivery.event.company_id, delivery.event.type)
