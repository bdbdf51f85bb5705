"""Batches on their way to the database, one ahead of the other, and what becomes of their jobs."""

import time
from collections import defaultdict, deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Protocol

import structlog

from gateway.errors import (
    EventRefused,
    HandlerFailed,
    OutageOfOne,
    OversizedJob,
    OwnFault,
    PoisonousEvent,
    WaitsApart,
    WorkerError,
)
from worker.apart import Group, Kind
from worker.background import in_thread
from worker.breaker import Breaker
from worker.claims import Batch, Claim
from worker.decode import read
from worker.elements import plain
from worker.persister import Delivery, Persister
from worker.underway import UnderWay
from worker.unpacking import unpack

DEPTH = 2
"""Batches under way at once: while one is in the database, the next is claimed and prepared."""
HEAVIEST = 32_000_000
"""Bytes of unpacked calls after which a batch is full: a job of a few kilobytes may hold millions."""
DEATHS = 3
"""Unclean deaths with one event alone in hand, after which it is set aside."""


class Acknowledges(Protocol):
    """What is told of the jobs, in the end."""

    def acknowledge(self, job_ids: Sequence[str]) -> None:
        """These are done."""

    def fail(self, job_id: str, error: EventRefused) -> None:
        """This one is set aside, with its reason."""

    def give_back(self, job_ids: Sequence[str]) -> None:
        """These wait again, in order, as if they had never been taken."""


class Aside(Protocol):
    """What is told of the events that wait apart (``worker.apart.Apart``)."""

    def group(self, kind: Kind) -> Group | None:
        """Why events of the kind wait apart, if they do."""

    def put(self, job_ids: Sequence[str], kind: Kind, group: Group) -> None:
        """These wait apart."""

    def judge(self, kind: Kind, plain: Mapping[str, Any]) -> WaitsApart | None:
        """Whether it is the shop that takes no event of the kind."""


class Batches:
    """Sends batches, and concludes them in their order."""

    def __init__(
        self, persister: Persister, ledger: Acknowledges, apart: Aside, breaker: Breaker, *, patience: float
    ) -> None:
        self._persister = persister
        self._ledger = ledger
        self._apart = apart
        self._breaker = breaker
        self._patience = patience
        self._under_way: deque[UnderWay] = deque()
        self.stranded: set[str] = set()
        """Jobs whose books could not be kept: they are in hand, and no more under way."""

    def __bool__(self) -> bool:
        return bool(self._under_way)

    @property
    def job_ids(self) -> set[str]:
        """All that are under way."""
        return {job_id for batch in self._under_way for job_id in batch.job_ids}

    @property
    def is_full(self) -> bool:
        """Whether an answer has to come before the next batch is sent."""
        is_single = self._breaker.is_careful or any(batch.is_suspect for batch in self._under_way)
        return len(self._under_way) >= (1 if is_single else DEPTH)

    def send(self, batch: Batch) -> None:
        """Set aside what cannot be read and send the rest."""
        with self._accounted(claim.job_id for claim in batch.claims):
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
        """Wait for the oldest batch's answer and do what it says.

        Raises:
            TimeoutError: it did not come within ``timeout`` seconds.
        """
        # One that failed goes back behind those that were claimed after it: at the queue's head the older
        # stands before the younger then. And whether these pass says nothing of what failed before them.
        while self._under_way[0].wait_for_fault(timeout) and len(self._under_way) > 1:
            self._under_way[-1].wait_for_fault(timeout)
            self._conclude(self._under_way.pop())
        self._conclude(self._under_way.popleft())

    def _conclude(self, batch: UnderWay) -> None:
        fault = batch.wait_for_fault(0)
        with self._accounted(batch.job_ids):
            if fault is None:
                self._breaker.passed()
                self._settle(batch, batch.answer.result())
            elif isinstance(fault, EventRefused):
                self._refused(batch, fault)
            elif isinstance(fault, WorkerError):
                self._failed(batch, fault)
            else:
                self._failed(batch, own_fault(fault))

    @contextmanager
    def _accounted(self, job_ids: Iterable[str]) -> Iterator[None]:
        """What becomes of these is written down; where that fails, they are stranded."""
        ids = {*job_ids}
        self.stranded |= ids
        yield
        self.stranded -= ids

    def _deliveries(self, batch: Batch) -> list[Delivery]:
        """Those that can be read. One at a time is unpacked, and no more in all than a batch may weigh."""
        made, weight = [], 0
        for number, claim in enumerate(batch.claims):
            if weight > HEAVIEST:
                self._ledger.give_back([later.job_id for later in batch.claims[number:]])
                break
            call = self._call(claim, batch.deaths)
            weight += len(call or b"")
            if call is not None and (delivery := self._read(claim.job_id, call)):
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

    def _read(self, job_id: str, call: bytes) -> Delivery | None:
        try:
            return Delivery.of(job_id, read(call))
        except EventRefused as error:
            self._ledger.fail(job_id, error)
        except Exception as error:  # noqa: BLE001 # a bug in a contract raises anything
            self._ledger.fail(job_id, HandlerFailed(error))
        return None

    def _divert_apart(self, deliveries: Sequence[Delivery]) -> list[Delivery]:
        """Those whose shop's tables take them, as far as is known; the others join what waits apart."""
        kinds = {*map(_kind, deliveries)}
        groups = {kind: group for kind in kinds if (group := self._apart.group(kind))}
        for kind, group in groups.items():
            self._apart.put([each.job_id for each in deliveries if _kind(each) == kind], kind, group)
        return [delivery for delivery in deliveries if _kind(delivery) not in groups]

    def _settle(self, batch: UnderWay, errors: Sequence[EventRefused | WaitsApart | None]) -> None:
        pairs = list(zip(batch.deliveries, errors, strict=True))
        self._ledger.acknowledge([delivery.job_id for delivery, error in pairs if error is None])
        waiting: defaultdict[Kind, list[str]] = defaultdict(list)
        groups: dict[Kind, Group] = {}
        for delivery, error in pairs:
            if isinstance(error, WaitsApart):
                waiting[_kind(delivery)].append(delivery.job_id)
                groups[_kind(delivery)] = Group.of(error)
            elif error:
                self._ledger.fail(delivery.job_id, error)
        for kind, job_ids in waiting.items():
            self._apart.put(job_ids, kind, groups[kind])

    def _refused(self, batch: UnderWay, error: EventRefused) -> None:
        if len(batch.deliveries) == 1:
            self._ledger.fail(batch.job_ids[0], error)
        else:
            self._breaker.refused(len(batch.deliveries))
            self._ledger.give_back(batch.job_ids)

    def _failed(self, batch: UnderWay, fault: WorkerError) -> None:
        if self._breaker.failed(len(batch.deliveries), fault):
            self._blame(batch.deliveries[0], fault)
        else:
            self._ledger.give_back(batch.job_ids)

    def _blame(self, delivery: Delivery, fault: WorkerError) -> None:
        """It failed alone again and again: for what it is, or because its shop takes none like it."""
        shops_fault = self._apart.judge(_kind(delivery), plain(delivery.element))
        if shops_fault:
            self._apart.put([delivery.job_id], _kind(delivery), Group.of(shops_fault))
        else:
            self._ledger.fail(delivery.job_id, OutageOfOne(cause=f"{type(fault).__name__}: {fault}"))


def _kind(delivery: Delivery) -> Kind:
    return Kind(delivery.event.company_id, delivery.event.type)


def own_fault(error: BaseException) -> OwnFault:
    """The fault that an unforeseen exception is: said with its stack, for the breaker says its name alone."""
    structlog.stdlib.get_logger("botlive").error("own fault", exc_info=error)
    return OwnFault(error)
