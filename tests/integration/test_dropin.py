"""The drop-in through the whole pipe: what was amended, what was refused, and what was read."""

import asyncio
import json
from collections.abc import Iterator
from functools import partial
from uuid import UUID

import pytest

import dropin
from devstack.stack import Stack
from events import Publisher, parse_event
from tests.integration.line import Line
from tests.make import PHONE, persist


@pytest.fixture
def line(stack: Stack) -> Iterator[Line]:
    """A queue of the test's own, to which the drop-in publishes."""
    made = Line(stack)
    dropin.use(made.publisher)
    yield made
    dropin.use(None)
    made.close()


def work(line: Line) -> None:
    """What a worker would do with what waits, without the process."""
    events = [parse_event(json.dumps(job.args[0])) for job in line.queue.get_jobs()]
    assert {outcome.kind for outcome in persist(line.gateway, events)} == {"persisted"}


def test_an_amended_event_is_persisted_and_says_so(line: Line) -> None:
    """Stripped and cut texts reach the tables; ``metadata`` names the fields."""
    company_id, uuid = line.shop()
    items = [{"name": "Sac\0" + "é" * 2_000, "quantity": 1, "price": 5}]
    order = asyncio.run(
        dropin.create_order(company_id, PHONE, "Awa\0", 5, items, zone="Cocody \ud83d", phone=None)
    )
    assert order
    work(line)
    rows = line.rows([uuid])
    row = rows.orders[UUID(order["id"])]
    assert (row["customer_name"], row["metadata"]["zone"]) == ("Awa", "Cocody ")
    assert row["items"][0]["name"] == "Sac" + "é" * 1_021
    (activity,) = rows.activities.values()
    assert activity["metadata"]["amended"] == ["customer_name", "items.0.name", "zone"]


@pytest.mark.slow
def test_what_fits_no_contract_fails_in_sight_and_alone(line: Line) -> None:
    """Its job is in the failed registry with the field's name, and other events are persisted."""
    company_id, uuid = line.shop()

    async def chat() -> list[bool]:
        return [
            await dropin.log_payment_validated(company_id, PHONE, "deux mille"),  # type: ignore[arg-type] # no amount
            await dropin.log_payment_validated(company_id, PHONE, 10**5_000),
            await dropin.log_payment_validated(company_id, PHONE, 5, b"\xff"),  # type: ignore[arg-type] # no text
            await dropin.log_payment_validated(company_id, "2" * 129, 5),
            await dropin.log_payment_validated(company_id, PHONE, 2000),
        ]

    assert asyncio.run(chat()) == [False] * 4 + [True]
    log = line.work()
    reasons = [
        trace.partition("the event does not fit its contract: ")[2] for trace in line.failed().values()
    ]
    fields = sorted(reason.partition(": ")[0] for reason in reasons)
    assert fields == ["amount", "amount", "reference", "user_id"]
    assert all(len(reason.strip().splitlines()) == 2 for reason in reasons)  # the cause is below
    assert len(line.rows([uuid]).activities) == 1
    assert PHONE not in log + "".join(line.failed().values())


def test_the_publisher_is_made_from_the_environment(line: Line, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where none is given: REDIS_URL and BOTLIVE_QUEUE, at the first event."""
    dropin.use(None)
    for name in ("REDIS_URL", "BOTLIVE_QUEUE"):
        monkeypatch.setenv(name, line.environment[name])
    monkeypatch.setattr(Publisher, "from_env", partial(Publisher.from_env, within=5))
    dropin.sender._from_env.cache_clear()
    assert asyncio.run(dropin.log_payment_validated("shop", PHONE, 5)) is True
    assert len(line.queue) == 1
    made = dropin.sender._from_env()
    assert isinstance(made, Publisher)
    made.close()
    dropin.sender._from_env.cache_clear()


def test_orders_are_read_as_they_are_in_supabase(
    line: Line, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The pending ones, newest first; none, and a line in the log, where Supabase does not answer."""
    company_id, _ = line.shop()
    for name in ("SUPABASE_URL", "SUPABASE_KEY"):
        monkeypatch.setenv(name, line.environment[name])
    items = [{"name": "Sac", "quantity": 1, "price": 5}]

    async def two_orders() -> list[str]:
        made = [await dropin.create_order(company_id, PHONE, "Awa", total, items) for total in (1, 2)]
        return [order["id"] for order in made if order]

    ids = asyncio.run(two_orders())
    work(line)
    orders = asyncio.run(dropin.get_orders(company_id, status="pending", limit=50))
    assert [order["id"] for order in orders] == ids[::-1]
    assert orders[0]["items"][0]["name"] == "Sac"
    monkeypatch.setenv("SUPABASE_URL", "http://127.0.0.1:9")
    assert asyncio.run(dropin.get_orders(company_id)) == []
    assert "get_orders failed: TransientFault: " in caplog.text
