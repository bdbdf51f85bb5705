"""How many batches a worker has in flight, and what it does with their answers."""

import threading
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pytest

from events import LiveToggled
from events.publishing.call import Call
from gateway.client import Outcome
from gateway.errors import EventRefused, TransientFault, UndecodableJob, WaitsApart
from worker.apart import Group, Kind
from worker.batches import Batches
from worker.breaker import Breaker
from worker.claims import Batch, Claim
from worker.decode import decode
from worker.elements import Element
from worker.persister import Persister


class Ledger:
    """Records nothing: these tests look only at the batches in flight."""

    def acknowledge(self, job_ids: Sequence[str]) -> None:
        """See ``worker.batches.Acknowledges``."""

    def fail(self, job_id: str, error: EventRefused) -> None:
        """See ``worker.batches.Acknowledges``."""

    def give_back(self, job_ids: Sequence[str]) -> None:
        """See ``worker.batches.Acknowledges``."""


class Nowhere:
    """Says that nothing waits apart."""

    def group(self, kind: Kind) -> Group | None:
        """See ``worker.batches.PutsApart``."""

    def put(self, job_ids: Sequence[str], kind: Kind, group: Group) -> None:
        """See ``worker.batches.PutsApart``."""

    def judge(self, kind: Kind, plain: Mapping[str, Any]) -> WaitsApart | None:
        """See ``worker.batches.PutsApart``."""

    def slow(self, plains: Sequence[Mapping[str, Any]]) -> str | None:
        """See ``worker.batches.PutsApart``."""


class Database:
    """A gateway that answers only after ``may`` is set."""

    def __init__(self) -> None:
        self.may = threading.Event()

    def persist(self, elements: Sequence[Element], *, apart: bool = False) -> list[Outcome]:
        """See ``gateway.client.Gateway``."""
        self.may.wait(10)
        return [Outcome("persisted")] * len(elements)


@pytest.fixture
def database() -> Iterator[Database]:
    """A gateway that answers at the end of the test at the latest."""
    made = Database()
    yield made
    made.may.set()


def claim() -> Claim:
    """Return the claim of a new event."""
    call = Call.of(LiveToggled(company_id="shop", enabled=True))
    return Claim(call.own_id, call.data.encode())


def test_while_a_batch_is_under_way_the_next_may_be_claimed(database: Database) -> None:
    """Two batches may be in flight; the next one must wait for an answer."""
    batches = Batches(Persister(database), Ledger(), Nowhere(), Breaker(500), patience=30)
    batches.send(Batch([claim()]))
    assert not batches.is_full
    batches.send(Batch([claim()]))
    assert batches.is_full


def test_nothing_is_claimed_beside_what_is_under_suspicion(database: Database) -> None:
    """While a suspect is in flight nothing else is claimed, so that a death points to it alone."""
    batches = Batches(Persister(database), Ledger(), Nowhere(), Breaker(500), patience=30)
    batches.send(Batch([claim()], "suspects"))
    assert batches.is_full
    database.may.set()
    batches.conclude()
    assert not batches.is_full


class Away:
    """A gateway that fails its first call after a while, and persists the others at once."""

    def __init__(self) -> None:
        self.calls = 0
        self.may = threading.Event()

    def persist(self, elements: Sequence[Element], *, apart: bool = False) -> list[Outcome]:
        """See ``gateway.client.Gateway``."""
        self.calls += 1
        if self.calls == 1:
            self.may.wait(10)
            raise TransientFault
        return [Outcome("persisted")] * len(elements)


class GivenBack(Ledger):
    """Records the jobs that are given back."""

    def __init__(self) -> None:
        self.job_ids: list[str] = []

    def give_back(self, job_ids: Sequence[str]) -> None:
        """See ``worker.batches.Acknowledges``."""
        self.job_ids += job_ids


def test_a_batch_that_passes_says_nothing_of_the_one_that_failed_before_it() -> None:
    """A success of the newer batch does not close the breaker that the older one has opened."""
    away, ledger, breaker = Away(), GivenBack(), Breaker(500)
    batches = Batches(Persister(away), ledger, Nowhere(), breaker, patience=30)
    first = claim()
    batches.send(Batch([first]))
    batches.send(Batch([claim()]))
    away.may.set()
    batches.conclude()
    assert not batches
    assert breaker.is_open
    assert ledger.job_ids == [first.job_id]


def test_an_answer_that_never_comes_is_an_outage(database: Database) -> None:
    """After the deadline the events are given back, although the call still hangs."""
    ledger, breaker = GivenBack(), Breaker(500)
    batches = Batches(Persister(database), ledger, Nowhere(), breaker, patience=0.05)
    hanging = claim()
    batches.send(Batch([hanging]))
    batches.conclude(5)
    assert breaker.is_open
    assert ledger.job_ids == [hanging.job_id]


def test_what_is_nested_too_deep_to_be_written_is_no_event() -> None:
    """JSON that can be read but is nested too deeply to be written is refused."""
    deep: list[object] = []
    for _ in range(10_000):
        deep = [deep]
    with pytest.raises(UndecodableJob):
        decode({"type": deep})


@pytest.mark.parametrize("missing", ["event_id", "occurred_at"])
def test_an_event_without_an_id_or_a_time_is_no_event(missing: str) -> None:
    """Each run of the job would make another event of it."""
    payload = LiveToggled(company_id="shop", enabled=True).model_dump(mode="json", exclude_none=True)
    assert decode(payload)
    del payload[missing]
    with pytest.raises(UndecodableJob):
        decode(payload)
