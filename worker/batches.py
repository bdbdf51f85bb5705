"""Batches on their way to the database, one ahead of the other, and what becomes of their jobs."""

import json
import time
from collections import deque
from collections.abc import Sequence
from concurrent.futures import Future
from typing import Any, NamedTuple, Protocol

import structlog

from events import Event
from events.job import FUNCTION
from worker.background import in_thread
from worker.breaker import Breaker
from worker.claims import Batch, Claim
from worker.errors import (
    EventRefused,
    HandlerFailed,
    OutageOfOne,
    OwnFault,
    PoisonousEvent,
    TransientFault,
    UndecodableJob,
    UnknownFunction,
    WorkerError,
)
from worker.job import decode, decode_text
from worker.persister import Delivery, Persister

DEPTH = 2
"""Batches under way at once: while one is in the database, the next is claimed and prepared."""
DEATHS = 3
"""Unclean deaths with one event alone in hand, after which it is set aside."""

_HEAD, _TAIL = f'["{FUNCTION}",null,['.encode(), b"],{}]"


class Books(Protocol):
    """What is told of the jobs, in the end."""

    def finish(self, job_ids: Sequence[str]) -> None:
        """These are done."""

    def fail(self, job_id: str, error: EventRefused) -> None:
        """This one is set aside, with its reason."""

    def give_back(self, job_ids: Sequence[str]) -> None:
        """These wait again, in order, as if they had never been taken."""


class UnderWay(NamedTuple):
    """A batch that was sent."""

    deliveries: Sequence[Delivery]
    answer: Future[list[EventRefused | None]]
    is_apart: bool
    """Whether nothing else may be in hand meanwhile: a death would be blamed on that, too."""
    deadline: float
    """By the monotonic clock: what has not been answered by then is taken for not done."""

    @property
    def job_ids(self) -> list[str]:
        """Its jobs."""
        return [delivery.job_id for delivery in self.deliveries]

    def fault(self, timeout: float | None) -> BaseException | None:
        """Why it is not persisted, or None.

        Raises:
            TimeoutError: there is no answer within ``timeout`` seconds, which may still come.
        """
        left = max(0.0, self.deadline - time.monotonic())
        try:
            return self.answer.exception(left if timeout is None else min(left, timeout))
        except TimeoutError:
            if time.monotonic() < self.deadline:
                raise
        return TransientFault(
            "Supabase gave no whole answer in time: the events wait for it to be well again"
        )


class Batches:
    """Sends batches, and concludes them in their order."""

    def __init__(self, persister: Persister, books: Books, breaker: Breaker, *, patience: float) -> None:
        self._persister = persister
        self._books = books
        self._breaker = breaker
        self._patience = patience
        self._under_way: deque[UnderWay] = deque()

    def __bool__(self) -> bool:
        return bool(self._under_way)

    @property
    def job_ids(self) -> set[str]:
        """All that are under way."""
        return {job_id for batch in self._under_way for job_id in batch.job_ids}

    @property
    def is_full(self) -> bool:
        """Whether an answer has to come before the next batch is sent."""
        is_single = self._breaker.is_careful or any(batch.is_apart for batch in self._under_way)
        return len(self._under_way) >= (1 if is_single else DEPTH)

    def send(self, batch: Batch) -> None:
        """Set aside what cannot be read and send the rest."""
        deliveries = [made for claim in batch.claims if (made := self._read(claim, batch.deaths))]
        while self._under_way and batch.kind == "apart":
            self.conclude()
        if deliveries and self._breaker.is_open:
            self._books.give_back([delivery.job_id for delivery in deliveries])
        elif deliveries:
            answer = in_thread(lambda: self._persister.persist(deliveries))
            deadline = time.monotonic() + self._patience
            self._under_way.append(UnderWay(deliveries, answer, batch.kind == "apart", deadline))

    def conclude(self, timeout: float | None = None) -> None:
        """Wait for the oldest batch's answer and do what it says.

        Raises:
            TimeoutError: it did not come within ``timeout`` seconds.
        """
        # One that failed goes back behind those that were claimed after it: at the queue's head the older
        # stands before the younger then. And whether these pass says nothing of what failed before them.
        while self._under_way[0].fault(timeout) and len(self._under_way) > 1:
            self._under_way[-1].fault(timeout)
            self._conclude(self._under_way.pop())
        self._conclude(self._under_way.popleft())

    def _conclude(self, batch: UnderWay) -> None:
        fault = batch.fault(0)
        if fault is None:
            self._breaker.passed()
            self._settle(batch, batch.answer.result())
        elif isinstance(fault, EventRefused):
            self._refused(batch, fault)
        elif isinstance(fault, WorkerError):
            self._failed(batch, fault)
        else:
            self._failed(batch, own_fault(fault))

    def _read(self, claim: Claim, deaths: int) -> Delivery | None:
        if deaths >= DEATHS:
            self._books.fail(claim.job_id, PoisonousEvent())
            return None
        try:
            return Delivery.of(claim.job_id, read(claim.data))
        except EventRefused as error:
            self._books.fail(claim.job_id, error)
        except Exception as error:  # noqa: BLE001 # a bug in a contract raises anything
            self._books.fail(claim.job_id, HandlerFailed(error))
        return None

    def _settle(self, batch: UnderWay, errors: Sequence[EventRefused | None]) -> None:
        pairs = list(zip(batch.job_ids, errors, strict=True))
        self._books.finish([job_id for job_id, error in pairs if error is None])
        for job_id, error in pairs:
            if error:
                self._books.fail(job_id, error)

    def _refused(self, batch: UnderWay, error: EventRefused) -> None:
        if len(batch.deliveries) == 1:
            self._books.fail(batch.job_ids[0], error)
        else:
            self._breaker.refused(len(batch.deliveries))
            self._books.give_back(batch.job_ids)

    def _failed(self, batch: UnderWay, fault: WorkerError) -> None:
        if self._breaker.failed(len(batch.deliveries), fault):
            self._books.fail(batch.job_ids[0], OutageOfOne(cause=f"{type(fault).__name__}: {fault}"))
        else:
            self._books.give_back(batch.job_ids)


def own_fault(error: BaseException) -> OwnFault:
    """The fault that an unforeseen exception is: said with its stack, for the breaker says its name alone."""
    structlog.stdlib.get_logger("botlive").error("own fault", exc_info=error)
    return OwnFault(error)


def read(data: bytes) -> Event:
    """The event of a job's call.

    Raises:
        UnknownFunction: it calls another function; it is not called.
        UndecodableJob: it is no call with one event.
        EventRefused: the event does not fit its contract.
    """
    if data.startswith(_HEAD) and data.endswith(_TAIL):
        return decode_text(data[len(_HEAD) : -len(_TAIL)])
    try:
        function, _, arguments, keywords = json.loads(data)
        payload = _only(arguments, keywords)
    except (ValueError, TypeError, AttributeError, RecursionError):
        raise UndecodableJob from None
    if function != FUNCTION:
        raise UnknownFunction
    return decode(payload)


def _only(arguments: list[Any], keywords: dict[str, Any]) -> Any:
    [argument] = [*arguments, *keywords.values()]
    return argument
