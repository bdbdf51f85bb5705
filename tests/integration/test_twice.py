"""The same thing twice from the outside (a webhook comes twice): by the caller's key it is one event."""

import asyncio
import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import redis as client
from hypothesis import given, settings
from hypothesis import strategies as st

import dropin
from events import Event, LiveToggled, OrderCompleted, PaymentIssue, PaymentValidated, Publisher
from events.publishing.outbox import Outbox
from tests.integration.line import BIN, Line
from tests.integration.test_properties import die, work
from tests.make import PHONE
from tests.oracle import fold
from worker.claims import PREFIX, Claims

pytestmark = pytest.mark.slow

_KEY = "wamid.HBgLMjI1MDcwMDAwMDAwMBUCABEYEjhENkI4"
_MORNING = datetime(2026, 11, 20, 8, tzinfo=UTC)
_ITEMS = ({"name": "Pagne", "quantity": 1, "price": 9000},)
_KINDS: dict[str, tuple[type[Event], dict[str, Any]]] = {
    "payment": (PaymentValidated, {"user_id": PHONE, "amount": 2000, "reference": "WAVE-1"}),
    "issue": (PaymentIssue, {"user_id": PHONE, "issue_type": "other", "message": "Montant insuffisant"}),
    "order": (OrderCompleted, {"user_id": PHONE, "total_amount": 9000, "items": _ITEMS}),
    "enable": (LiveToggled, {"enabled": True}),
    "disable": (LiveToggled, {"enabled": False}),
}


@pytest.fixture(params=_KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    """Each type of event."""
    return str(request.param)


def made(kind: str, company_id: str, minutes: float = 0, **fields: Any) -> Any:
    """Return one delivery that occurred this many minutes later."""
    contract, plain = _KINDS[kind]
    instant = _MORNING + timedelta(minutes=minutes)
    return contract(**{"company_id": company_id, "occurred_at": instant, "key": _KEY, **plain, **fields})


def conclude(line: Line, first: Any, uuid: Any) -> None:
    """Work the queue off: the tables hold the first alone, to the letter, and nothing has failed."""
    line.work()
    assert line.rows([uuid]) == fold([first], {first.company_id: uuid})
    assert line.failed() == {}
    assert line.redis.keys(f"rq:job:{first.event_id}*") == []


def test_while_the_first_waits(line: Line, kind: str) -> None:
    """The event waits once, with the content of the first one."""
    company_id, uuid = line.shop()
    first, second = made(kind, company_id), made(kind, company_id, 1)
    assert first.event_id == second.event_id
    line.publisher.publish(first)
    line.publisher.publish(second)
    assert len(line.queue) == 1
    conclude(line, first, uuid)


def test_together(line: Line) -> None:
    """Each type of event with the same key is another event, also in one round trip."""
    company_id, uuid = line.shop()
    kinds = ["payment", "issue", "order", "enable"]
    first = [made(kind, company_id) for kind in kinds]
    line.publisher.publish_many([*first, *(made(kind, company_id, 1) for kind in kinds)])
    line.work()
    assert line.rows([uuid]) == fold(first, {company_id: uuid})
    assert line.failed() == {}


def test_far_from_the_queues_end(line: Line) -> None:
    """Where the look at the list does not find it, it is put there again: still the first is what counts."""
    company_id, uuid = line.shop()
    first, second = made("payment", company_id), made("payment", company_id, 1)
    line.publisher.publish(first)
    line.redis.rpush(line.queue.key, *["absent"] * 10_000)
    line.publisher.publish(second)
    assert len(line.queue) == 10_002
    conclude(line, first, uuid)


def test_while_the_first_is_in_hand(line: Line, kind: str) -> None:
    """While the first one is claimed, nothing is put on the queue."""
    company_id, uuid = line.shop()
    first, second = made(kind, company_id), made(kind, company_id, 1)
    line.publisher.publish(first)
    holder = Claims(line.redis, line.name, PREFIX + uuid4().hex)
    assert len(holder.claim(1).claims) == 1
    line.publisher.publish(second)
    assert len(line.queue) == 0
    holder.give_back()
    conclude(line, first, uuid)


def test_after_the_first_is_persisted_a_day_later_and_from_another_process(line: Line, kind: str) -> None:
    """The inbox knows it: a duplicate and no failure, and a disable in between stays what it was."""
    company_id, uuid = line.shop()
    first = made(kind, company_id)
    line.publisher.publish(first)
    line.work()
    second = made(kind, company_id, 24 * 60).content()
    text = json.dumps({name: value for name, value in second.items() if name != "event_id"})
    done = line.run(str(BIN / "botlive"), "publish", "-", input=text)
    assert (done.returncode, done.stdout) == (0, "published 1, refused 0\n"), done.stderr
    assert '"event": "duplicate"' in line.work()
    conclude(line, first, uuid)


def test_after_the_first_failed(line: Line, kind: str) -> None:
    """It is the first that is tried again, as when it is replayed."""
    company_id = f"flow-{uuid4()}"
    first, second = made(kind, company_id), made(kind, company_id, 1)
    line.publisher.publish(first)
    line.work()
    assert [*line.failed()] == [str(first.event_id)]
    _, uuid = line.shop(company_id)
    line.publisher.publish(second)
    conclude(line, first, uuid)


def test_while_the_first_waits_in_the_outbox(line: Line, tmp_path: Path) -> None:
    """Delivered behind the second, it is the duplicate: whichever comes first is persisted."""
    company_id, uuid = line.shop()
    first, second = made("order", company_id), made("order", company_id, 1)
    away = client.Redis.from_url("redis://127.0.0.1:9")
    with Publisher(away, queue=line.name, outbox=Outbox(tmp_path / "outbox"), within=5) as chat:
        chat.publish(first)
        chat.publish(second)
        assert chat.waiting == 2
    line.publisher.publish(second)
    line.environment["BOTLIVE_OUTBOX"] = str(tmp_path / "outbox")
    assert line.run(str(BIN / "botlive"), "outbox", "drain").returncode == 0
    conclude(line, second, uuid)


@pytest.mark.parametrize("persisted", [True, False], ids=["persisted", "waiting"])
def test_other_content_is_not_the_same(line: Line, persisted: bool) -> None:
    """Another amount with the same key is moved to the failed registry; the first event is persisted."""
    company_id, uuid = line.shop()
    first, other = made("payment", company_id), made("payment", company_id, 1, amount=5000)
    line.publisher.publish(first)
    if persisted:
        line.work()
    line.publisher.publish(other)
    line.work()
    (reason,) = line.failed().values()
    assert reason.startswith("EventRefused: event id already used\n")
    assert line.rows([uuid]) == fold([first], {company_id: uuid})


def test_a_session_is_switched_once(line: Line) -> None:
    """On, off, and both once more much later, in either order: one session, as it was."""
    company_id, uuid = line.shop()
    day = [
        LiveToggled(company_id=company_id, enabled=on, key=key, occurred_at=_MORNING + timedelta(minutes=at))
        for on, key, at in [(True, "a", 0), (False, "b", 12), (False, "b", 400), (True, "a", 500)]
    ]
    for event in day:
        line.publisher.publish(event)
        line.work()
    assert line.rows([uuid]) == fold(day[:2], {company_id: uuid})
    assert len(line.rows([uuid]).sessions) == 1
    assert line.failed() == {}


@settings(max_examples=15)
@given(
    st.lists(st.tuples(st.sampled_from([*_KINDS]), st.sampled_from("abc"), st.integers(0, 99)), max_size=20),
    st.integers(1, 8),
    st.booleans(),
)
def test_whichever_comes_first_is_what_is_persisted(
    line: Line, deliveries: list[tuple[str, str, int]], batch: int, persisted: bool
) -> None:
    """For any deliveries, with running and dying workers, the first event of each key counts."""
    company_id, uuid = line.shop()
    first: dict[Any, Any] = {}
    for kind, key, minutes in deliveries:
        # A switch on and one off are two things, and have two keys.
        event = made(kind, company_id, minutes, key=f"{key} {kind}")
        first.setdefault(event.event_id, event)
        line.publisher.publish(event)
        if minutes % 3 == 0:
            die(line, 1, persisted=persisted)
        elif minutes % 3 == 1:
            work(line, batch)
    work(line, batch)
    assert line.rows([uuid]) == fold(first.values(), {company_id: uuid})
    assert line.failed() == {}


def test_reconcile_knows_it_by_its_key(line: Line, tmp_path: Path) -> None:
    """A file without ids and times, as the caller has it, is persisted once and reconciled."""
    company_id, _ = line.shop()
    event = {"type": "payment_validated", "company_id": company_id, "key": _KEY}
    (tmp_path / "day.ndjson").write_text(json.dumps({**event, **_KINDS["payment"][1]}), encoding="utf-8")
    for outcome in ("waiting 1", "persisted 1"):
        line.run(str(BIN / "botlive"), "publish", str(tmp_path / "day.ndjson"))
        done = line.run(str(BIN / "botlive"), "reconcile", str(tmp_path / "day.ndjson"))
        assert outcome in done.stdout
        line.work()


@pytest.fixture
def chat(line: Line) -> Iterator[Callable[[Any], Any]]:
    """The drop-in on this line."""
    dropin.use(line.publisher)
    yield asyncio.run
    dropin.use(None)


def test_the_old_names_take_the_key(line: Line, chat: Callable[[Any], Any]) -> None:
    """Each function twice: the answers are the same, and so are the ids."""
    company_id, uuid = line.shop()
    items = [dict(_ITEMS[0])]

    async def message() -> list[Any]:
        order = await dropin.create_order(company_id, PHONE, "Awa", 9000, items, key=_KEY)
        return [
            order and order["id"],
            await dropin.log_payment_validated(company_id, PHONE, 2000, "WAVE-1", key=_KEY),
            await dropin.log_payment_issue(company_id, PHONE, "other", "Montant", key=_KEY),
            await dropin.start_session(company_id, key=_KEY),
            await dropin.end_session(None, company_id, key=f"{_KEY}/end"),
        ]

    first = chat(message())
    line.work()
    assert chat(message()) == first
    line.work()
    assert line.failed() == {}
    rows = line.rows([uuid])
    assert (len(rows.orders), len(rows.activities), len(rows.sessions)) == (1, 5, 1)


def test_what_fits_no_contract_fails_once(line: Line, chat: Callable[[Any], Any]) -> None:
    """The same wrong amount twice is one entry of the failed registry, before and after it failed."""
    company_id, _ = line.shop()
    for _ in range(3):
        for _ in range(2):
            paid = dropin.log_payment_validated(company_id, PHONE, "12 000 FCFA", key=_KEY)  # type: ignore[arg-type] # text
            assert chat(paid) is False
        line.work()
        (reason,) = line.failed().values()
        assert "the event does not fit its contract: amount: must be a number" in reason
