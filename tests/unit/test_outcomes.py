"""What a worker does with the jobs of a batch, by each kind of answer."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pytest

from events.publishing.call import Call
from gateway.client import Outcome
from gateway.errors import EventRefused, HandlerFailed, OutageOfOne, TransientFault, WaitsApart
from tests.make import payment
from worker import decode
from worker.apart import Group, Kind
from worker.batches import Batches
from worker.breaker import Breaker
from worker.claims import Batch, Claim
from worker.elements import Element
from worker.persister import Persister
from worker.slowness import SLOW

KIND = Kind("shop", "payment_validated")
REFUSED = EventRefused("its amount does not fit")


class Books:
    """Records what became of each job, as the ledger and as the store of what waits apart."""

    def __init__(self, *, apart: bool = False, judged: WaitsApart | None = None) -> None:
        self.acknowledged: list[str] = []
        self.failed: dict[str, EventRefused] = {}
        self.given_back: list[str] = []
        self.apart: list[tuple[list[str], Kind, str]] = []
        self._group = Group.of(WaitsApart("its trigger refuses")) if apart else None
        self._judged = judged
        self.slow_shop = ""

    def acknowledge(self, job_ids: Sequence[str]) -> None:
        """See ``worker.batches.Acknowledges``."""
        self.acknowledged += job_ids

    def fail(self, job_id: str, error: EventRefused) -> None:
        """See ``worker.batches.Acknowledges``."""
        self.failed[job_id] = error

    def give_back(self, job_ids: Sequence[str]) -> None:
        """See ``worker.batches.Acknowledges``."""
        self.given_back += job_ids

    def group(self, kind: Kind) -> Group | None:
        """See ``worker.batches.PutsApart``."""
        return self._group

    def put(self, job_ids: Sequence[str], kind: Kind, group: Group) -> None:
        """See ``worker.batches.PutsApart``."""
        self.apart.append(([*job_ids], kind, group.reason))

    def judge(self, kind: Kind, plain: Mapping[str, Any]) -> WaitsApart | None:
        """See ``worker.batches.PutsApart``."""
        return self._judged

    def slow(self, plains: Sequence[Mapping[str, Any]]) -> str | None:
        """Return the slow shop, if it is one of these."""
        return self.slow_shop if self.slow_shop in {plain["company_id"] for plain in plains} else None


class Gateway:
    """Gives one answer to every batch, or raises it."""

    def __init__(self, answer: Exception | Callable[[int], list[Outcome]]) -> None:
        self._answer = answer
        self.calls = 0

    def persist(self, elements: Sequence[Element], *, apart: bool = False) -> list[Outcome]:
        """See ``gateway.client.Gateway``."""
        self.calls += 1
        if isinstance(self._answer, Exception):
            raise self._answer
        return self._answer(len(elements))


def persisted(number: int) -> list[Outcome]:
    """Every event is persisted."""
    return [Outcome("persisted")] * number


def claims(number: int = 1, shop: str = KIND.company_id) -> list[Claim]:
    """Return the claims of new payments."""
    calls = [Call.of(payment(shop)) for _ in range(number)]
    return [Claim(call.own_id, call.data.encode()) for call in calls]


def made(gateway: Gateway, books: Books, breaker: Breaker | None = None) -> Batches:
    """Return the batches of a worker with this gateway and these books."""
    return Batches(Persister(gateway, apart=True), books, books, breaker or Breaker(500), patience=30)


def test_a_bug_in_a_contract_sets_only_that_event_aside(monkeypatch: pytest.MonkeyPatch) -> None:
    """An unexpected exception while one event is read fails that event; its neighbour is persisted."""
    bad, good = claims(2)

    def read(call: bytes) -> Any:
        if call == bad.data:
            raise KeyError("a bug")
        return decode.read(call)

    monkeypatch.setattr("worker.batches.read", read)
    books = Books()
    batches = made(Gateway(persisted), books)
    batches.send(Batch([bad, good]))
    batches.conclude()
    assert isinstance(books.failed[bad.job_id], HandlerFailed)
    assert books.acknowledged == [good.job_id]


def test_an_open_breaker_sends_nothing() -> None:
    """A batch that was claimed before the breaker opened goes back to the queue without a call."""
    books, breaker, gateway = Books(), Breaker(500), Gateway(persisted)
    breaker.probe_failed(TransientFault())
    batches = made(gateway, books, breaker)
    (claim,) = claims()
    batches.send(Batch([claim]))
    assert not batches
    assert books.given_back == [claim.job_id]
    assert gateway.calls == 0


def test_a_suspect_waits_until_nothing_else_is_in_flight() -> None:
    """Otherwise a crash would point to the jobs of the other batch too."""
    books = Books()
    batches = made(Gateway(persisted), books)
    (other,), (suspect,) = claims(), claims()
    batches.send(Batch([other]))
    batches.send(Batch([suspect], "suspects"))
    assert books.acknowledged == [other.job_id]
    assert batches.job_ids == {suspect.job_id}


def test_a_refusal_of_a_whole_batch_splits_it() -> None:
    """The events go back to the queue, and the next batch has half the size; nobody is blamed yet."""
    books, breaker = Books(), Breaker(500)
    batches = made(Gateway(REFUSED), books, breaker)
    both = claims(2)
    batches.send(Batch(both))
    batches.conclude()
    assert books.given_back == [claim.job_id for claim in both]
    assert breaker.limit == 1
    assert not breaker.is_open
    assert books.failed == {}


def test_a_refusal_of_one_event_alone_sets_it_aside() -> None:
    """Its reason is that of the refusal, and the breaker stays closed."""
    books, breaker = Books(), Breaker(500)
    batches = made(Gateway(REFUSED), books, breaker)
    (claim,) = claims()
    batches.send(Batch([claim]))
    batches.conclude()
    assert books.failed == {claim.job_id: REFUSED}
    assert not breaker.is_open


def test_a_bug_in_the_worker_holds_the_events() -> None:
    """An unexpected exception of the call opens the breaker; the events go back to the queue."""
    books, breaker = Books(), Breaker(500)
    batches = made(Gateway(ZeroDivisionError()), books, breaker)
    (claim,) = claims()
    batches.send(Batch([claim]))
    batches.conclude()
    assert books.given_back == [claim.job_id]
    assert "ZeroDivisionError" in str(breaker.fault)


def test_an_event_of_a_kind_that_waits_apart_joins_it() -> None:
    """It is not sent: its shop's tables are known to take none."""
    books, gateway = Books(apart=True), Gateway(persisted)
    batches = made(gateway, books)
    both = claims(2)
    batches.send(Batch(both))
    assert books.apart == [([claim.job_id for claim in both], KIND, "its trigger refuses")]
    assert gateway.calls == 0


def test_events_that_the_tables_do_not_take_wait_apart_together() -> None:
    """The answer names them; the event that was persisted in the same call is acknowledged."""
    answer = [Outcome("apart", "a trigger"), Outcome("persisted"), Outcome("apart", "a trigger")]
    books = Books()
    batches = made(Gateway(lambda _: answer), books)
    first, second, third = claims(3)
    batches.send(Batch([first, second, third]))
    batches.conclude()
    assert books.apart == [([first.job_id, third.job_id], KIND, "a trigger")]
    assert books.acknowledged == [second.job_id]


@pytest.mark.parametrize("slow", [True, False])
def test_a_batch_that_fails_although_probes_pass_is_searched_for_a_slow_shop(slow: bool) -> None:
    """Its events wait apart, and the others are sent again at once. If there is none, the batch is halved."""
    books, breaker = Books(), Breaker(500)
    batches = made(Gateway(TransientFault("no answer")), books, breaker)
    mine, others = claims(2), claims(2, "other")
    both = [*mine, *others]
    books.slow_shop = "shop" if slow else ""
    batches.send(Batch(both))
    batches.conclude()
    assert books.given_back == [claim.job_id for claim in both]
    assert books.apart == []
    books.given_back.clear()
    breaker.probe_passed()
    batches.send(Batch(both))
    batches.conclude()
    if slow:
        assert books.apart == [([claim.job_id for claim in mine], KIND, SLOW)]
        assert books.given_back == [claim.job_id for claim in others]
        assert (breaker.is_open, breaker.is_careful, breaker.limit) == (False, False, 500)
    else:
        assert books.apart == []
        assert books.given_back == [claim.job_id for claim in both]
        assert (breaker.is_open, breaker.is_careful, breaker.limit) == (True, True, 2)


@pytest.mark.parametrize("judged", [None, WaitsApart("a lock")])
def test_an_event_that_fails_alone_again_and_again_is_judged(judged: WaitsApart | None) -> None:
    """It waits apart if its shop's tables take none of its kind; otherwise it fails with its last cause."""
    books, breaker = Books(judged=judged), Breaker(500)
    batches = made(Gateway(TransientFault("no answer")), books, breaker)
    (claim,) = claims()
    for _ in range(9):
        batches.send(Batch([claim]))
        batches.conclude()
        if books.failed or books.apart:
            break
        breaker.probe_passed()
    if judged:
        assert books.apart == [([claim.job_id], KIND, "a lock")]
        assert books.failed == {}
    else:
        assert isinstance(books.failed[claim.job_id], OutageOfOne)
        assert books.failed[claim.job_id].cause == "TransientFault: no answer"
        assert books.apart == []
