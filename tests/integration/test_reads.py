"""The reads against the database: through the functions, on rows that events, owners and others made."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar
from uuid import UUID, uuid4

import httpx
import psycopg
import pytest
from psycopg.types.json import Jsonb
from pydantic import SecretStr

from dashboard import Reader
from devstack.stack import Stack
from events import AnyEvent, Item, LiveToggled, OrderCompleted, PaymentIssue, PaymentValidated
from gateway.client import Gateway
from gateway.errors import DeploymentFault, TransientFault
from gateway.settings import Settings
from tests.make import persist

PHONE = "+2250700000000"
NOON = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
Read = TypeVar("Read")


class Shop:
    """A shop of the test's own, with its owner's API client."""

    def __init__(self, stack: Stack, database: psycopg.Connection[Any]) -> None:
        self.environment, self._database = stack.environment, database
        self.company_id, self.owner = f"reads-{uuid4()}", uuid4()
        database.execute("insert into auth.users (id) values (%s)", [self.owner])
        row = database.execute("select botlive.map_company(%s, null, %s)", [self.company_id, self.owner])
        self.uuid: UUID = (row.fetchone() or [None])[0]
        headers = {
            "apikey": self.environment["SUPABASE_ANON_KEY"],
            "Authorization": f"Bearer {stack.token(self.owner)}",
        }
        url = f"{self.environment['SUPABASE_URL']}/rest/v1"
        self.api = httpx.Client(base_url=url, headers=headers, timeout=30)

    def read(self, ask: Callable[[Reader], Awaitable[Read]], key: str | None = None) -> Read:
        """Read once, with the worker's key or another."""

        async def run() -> Read:
            url = self.environment["SUPABASE_URL"]
            async with Reader(url, key or self.environment["SUPABASE_KEY"]) as reader:
                return await ask(reader)

        return asyncio.run(run())

    def activities(self, limit: int = 10) -> list[Any]:
        """Return what the front end shows."""
        return self.read(lambda reader: reader.get_realtime_activity(self.company_id, limit))

    def active_orders(self, limit: int = 50) -> list[Any]:
        """Return what the front end shows."""
        return self.read(lambda reader: reader.get_active_orders(self.company_id, limit))

    def session(self) -> dict[str, Any] | None:
        """The open one."""
        return self.read(lambda reader: reader.get_active_session(self.company_id))

    def persist(self, *events: AnyEvent) -> None:
        """Persist the events as the worker does."""
        gateway = Gateway.connect(
            Settings(
                supabase_url=self.environment["SUPABASE_URL"],
                supabase_key=SecretStr(self.environment["SUPABASE_KEY"]),
            )
        )
        assert {outcome.kind for outcome in persist(gateway, events)} == {"persisted"}
        gateway.close()

    def insert(self, table: str, **columns: Any) -> None:
        """A row by hand, for this shop."""
        values = [Jsonb(value) if isinstance(value, dict | list) else value for value in columns.values()]
        names, places = ", ".join(["company_id", *columns]), ", ".join(["%s"] * (len(values) + 1))
        statement = f"insert into public.{table} ({names}) values ({places})"
        self._database.execute(statement.encode(), [self.uuid, *values])

    def order(self, **fields: Any) -> OrderCompleted:
        """An order of this shop's."""
        items = (Item(name="Pagne", quantity=1, price=9000),)
        plain = {"user_id": PHONE, "customer_name": "Awa", "total_amount": 9000, "items": items}
        return OrderCompleted(**{"company_id": self.company_id, **plain, **fields})

    def toggle(self, *, enabled: bool, at: datetime = NOON) -> LiveToggled:
        """A toggle of this shop's."""
        return LiveToggled(company_id=self.company_id, enabled=enabled, occurred_at=at)


@pytest.fixture
def shop(stack: Stack) -> Iterator[Shop]:
    """A new shop with a new owner."""
    with psycopg.connect(stack.environment["DATABASE_URL"], autocommit=True) as database:
        made = Shop(stack, database)
        yield made
        made.api.close()


def test_the_activities_of_every_event(shop: Shop) -> None:
    """Each in its words, newest first, whatever the order of writing."""
    ago = [datetime.now(UTC) - timedelta(hours=hours, minutes=1) for hours in (0, 3, 50, 72)]
    own = shop.company_id
    shop.persist(
        PaymentValidated(company_id=own, user_id=PHONE, amount=2000.5, reference="", occurred_at=ago[2]),
        shop.toggle(enabled=True, at=ago[0]),
        PaymentIssue(
            company_id=own,
            user_id=PHONE,
            issue_type="payment_insufficient",
            message="Trop peu",
            occurred_at=ago[3],
        ),
        shop.order(occurred_at=ago[1]),
    )
    assert [tuple(shown.values()) for shown in shop.activities()] == [
        ("session_started", "Mode LIVE activé", "", "il y a 1 min"),
        ("commande_enregistree", "Commande de Awa", "Montant: 9000 FCFA", "il y a 3h"),
        ("paiement_valide", "Paiement validé: 2000.5 FCFA", "", "il y a 2j"),
        ("payment_issue", "Intervention requise: payment_insufficient", "Trop peu", "il y a 3j"),
    ]


def test_the_limit_keeps_the_newest(shop: Shop) -> None:
    """The limit returns the newest activities and orders."""
    names = ["oldest", "older", "newest"]
    shop.persist(
        *(
            shop.order(customer_name=name, occurred_at=NOON + timedelta(minutes=minute))
            for minute, name in enumerate(names)
        )
    )
    assert [shown["client"] for shown in shop.activities(2)] == ["Commande de newest", "Commande de older"]
    assert [shown["user_name"] for shown in shop.active_orders(2)] == ["newest", "older"]


def test_only_pending_orders_are_active(shop: Shop) -> None:
    """An order that its owner completes leaves the list, and is found by its status, or by none."""
    kept, done = shop.order(customer_name="Kofi"), shop.order(occurred_at=NOON, zone="Cocody", phone="07")
    shop.persist(kept, done)
    assert shop.active_orders()[1] == {
        "user_id": PHONE,
        "user_name": "Awa",
        "produit": "Pagne",
        "paiement": "✅ 9000 FCFA",
        "zone": "✅ Cocody",
        "numero": "✅ 07",
        "completion_rate": 100,
        "created_at": "2026-11-20T12:00:00+00:00",
    }
    patched = shop.api.patch("/orders", params={"id": f"eq.{done.event_id}"}, json={"status": "completed"})
    assert patched.status_code == 204
    assert [shown["user_name"] for shown in shop.active_orders()] == ["Kofi"]

    def names(status: str | None) -> list[str]:
        rows = shop.read(lambda reader: reader.get_orders(shop.company_id, status))
        return [row["customer_name"] for row in rows]

    found = {status: names(status) for status in ("pending", "completed", "cancelled", None)}
    assert found == {"pending": ["Kofi"], "completed": ["Awa"], "cancelled": [], None: ["Kofi", "Awa"]}


def test_orders_come_as_their_rows(shop: Shop) -> None:
    """An order is returned with every column, also those that Lovable added."""
    order = shop.order()
    shop.persist(order)
    (row,) = shop.read(lambda reader: reader.get_orders(shop.company_id))
    columns = "id company_id conversation_id customer_name total_amount status items metadata created_at"
    assert set(columns.split()) <= row.keys()
    assert (row["id"], row["company_id"]) == (str(order.event_id), str(shop.uuid))
    assert row["items"] == [{"name": "Pagne", "quantity": 1, "price": 9000}]


@pytest.mark.parametrize(
    ("columns", "shown", "rate"),
    [
        ({}, ("", "", "", "❌", "❌", "❌"), 0),
        (
            {"customer_name": PHONE, "total_amount": "12000.00"},
            (PHONE, "0000", "", "✅ 12000 FCFA", "❌", "❌"),
            25,
        ),
        ({"total_amount": "NaN", "items": {"name": "Pagne"}}, ("", "", "", "❌", "❌", "❌"), 0),
        ({"total_amount": 0, "items": [{"name": "Pagne"}]}, ("", "", "Pagne", "❌", "❌", "❌"), 25),
        ({"metadata": ["x"], "items": []}, ("", "", "", "❌", "❌", "❌"), 0),
        ({"metadata": {"zone": "Yop", "user_id": 5}}, ("", "", "", "❌", "✅ Yop", "❌"), 25),
    ],
)
def test_orders_made_by_hand_are_shown(
    shop: Shop, columns: dict[str, Any], shown: tuple[str, ...], rate: int
) -> None:
    """Orders that were made by hand are shown, whatever their columns contain or lack."""
    shop.insert("orders", **columns, created_at=None)
    (order,) = shop.active_orders()
    assert tuple(order.values()) == (*shown, rate, "")


def test_activities_made_by_hand_are_shown(shop: Shop) -> None:
    """If metadata names no event, the type is that of the column."""
    shop.insert("activities", type="message", title="Bonjour", description=None, created_at="infinity")
    shop.insert("activities", type="system", metadata=["x"], created_at=datetime.now(UTC) + timedelta(days=1))
    assert [tuple(shown.values()) for shown in shop.activities()] == [
        ("message", "Bonjour", "", "récemment"),
        ("system", "", "", "il y a quelques secondes"),
    ]


def test_the_active_session(shop: Shop) -> None:
    """None, then the open one, then none."""
    assert shop.session() is None
    begun = shop.toggle(enabled=True)
    shop.persist(begun)
    session = shop.session()
    assert session
    assert (session["id"], session["mode"], session["ended_at"]) == (str(begun.event_id), "live", None)
    shop.persist(shop.toggle(enabled=False, at=NOON + timedelta(minutes=5)))
    assert shop.session() is None


def test_a_session_that_an_owner_opened_by_hand(shop: Shop) -> None:
    """It is active like one of ours, and the newest open one counts."""
    shop.persist(shop.toggle(enabled=True))
    later = {
        "company_id": str(shop.uuid),
        "mode": "rag",
        "started_at": (NOON + timedelta(days=1)).isoformat(),
    }
    assert shop.api.post("/bot_sessions", json=later).status_code == 201
    session = shop.session()
    assert session
    assert session["mode"] == "rag"


def test_companies_see_their_own_rows(shop: Shop, stack: Stack) -> None:
    """Live mode, orders and activities are each company's own."""
    with psycopg.connect(stack.environment["DATABASE_URL"], autocommit=True) as database:
        other = Shop(stack, database)
        shop.persist(shop.order(), shop.toggle(enabled=True))
        assert (other.active_orders(), other.activities(), other.session()) == ([], [], None)
        other.api.close()


def test_an_unknown_company(shop: Shop, caplog: pytest.LogCaptureFixture) -> None:
    """Nothing to show, and a log line each time; a company that is known and empty logs none."""
    assert (shop.activities(), shop.active_orders(), shop.session()) == ([], [], None)
    assert [record for record in caplog.records if record.name == "botlive.dashboard"] == []
    shop.company_id = f"unknown-{uuid4()}"
    assert (shop.activities(), shop.active_orders(), shop.session()) == ([], [], None)
    lines = [record for record in caplog.records if record.name == "botlive.dashboard"]
    assert [line.levelno for line in lines] == [logging.WARNING] * 3


@pytest.mark.parametrize("key", ["anon", "owner", "nobody"])
def test_only_the_workers_key_may_read(shop: Shop, stack: Stack, key: str) -> None:
    """`anon`, an owner's token and a key of another project get an error, not an empty list."""
    keys = {"anon": stack.environment["SUPABASE_ANON_KEY"], "owner": stack.token(shop.owner), "nobody": "x"}
    with pytest.raises(DeploymentFault, match="SUPABASE_KEY"):
        shop.read(lambda reader: reader.get_orders(shop.company_id), keys[key])


def test_supabase_away_is_an_error(shop: Shop) -> None:
    """If no server listens there, the error is immediate."""

    async def run() -> None:
        async with Reader("http://127.0.0.1:1", "key") as reader:
            await reader.get_orders(shop.company_id)

    with pytest.raises(TransientFault, match="no answer"):
        asyncio.run(run())
