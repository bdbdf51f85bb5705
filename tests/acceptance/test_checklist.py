"""The five tests of the customer's checklist, end to end: HTTP → queue → worker → tables → HTTP.

A real server process of a host's application, a real HTTP client, a real worker process, and the local
stack for Redis and Supabase.
"""

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar
from uuid import UUID, uuid4

import httpx
import psycopg
import pytest
import redis

from devstack.stack import Stack
from events import Item, OrderCompleted, PaymentValidated, Publisher
from tests.children import ending

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
BOTLIVE = str(Path(sys.executable).parent / "botlive")
PHONE = "+2250700000000"
PATIENCE = 20  # seconds


class Shop:
    """A shop with what its owner sees, what its front end calls, and what its chat publishes."""

    def __init__(
        self, company_id: str, front_end: httpx.Client, owner: httpx.Client, chat: Publisher
    ) -> None:
        self.company_id = company_id
        self.front_end = front_end
        self.owner = owner
        self.chat = chat

    def rows(self, table: str, **filters: str) -> list[dict[str, Any]]:
        """What the owner reads straight from the table, under row level security."""
        response = self.owner.get(f"/rest/v1/{table}", params=filters)
        response.raise_for_status()
        rows: list[dict[str, Any]] = response.json()
        return rows

    def toggle(self, *, enable: bool) -> dict[str, Any]:
        """Switch live mode, as the front end does."""
        body = {"company_id": self.company_id, "enable": enable}
        response = self.front_end.post("/toggle-live-mode", json=body)
        assert response.status_code == 200, response.text
        answer: dict[str, Any] = response.json()
        return answer

    def get(self, path: str) -> dict[str, Any]:
        """Return the answer of an endpoint to the front end."""
        response = self.front_end.get(f"{path}/{self.company_id}")
        assert response.status_code == 200, response.text
        answer: dict[str, Any] = response.json()
        return answer


Seen = TypeVar("Seen")


def eventually(look: Callable[[], Seen]) -> Seen:
    """Wait for the first result that is not empty, and return it."""
    deadline = time.monotonic() + PATIENCE
    while not (seen := look()):
        assert time.monotonic() < deadline, "the worker has not written it"
        time.sleep(0.05)
    return seen


@contextmanager
def process(*command: str, environment: dict[str, str], keep: tuple[int, ...] = ()) -> Iterator[None]:
    """A process that is asked to stop in the end, and stops."""
    with ending(subprocess.Popen(command, env=environment, cwd=ROOT, pass_fds=keep)) as running:
        yield
        assert running.poll() is None, "it ended by itself"
        running.terminate()
        running.wait(PATIENCE)


@pytest.fixture(scope="module")
def environment(stack: Stack) -> dict[str, str]:
    """A queue of this file's own."""
    return {**os.environ, **stack.environment, "BOTLIVE_QUEUE": f"checklist-{uuid4().hex}"}


@pytest.fixture(scope="module")
def tokens(stack: Stack) -> dict[str, str]:
    """The host's tokens, each for one shop: one shop for each test."""
    return {f"token-{uuid4().hex}": f"checklist-{uuid4()}" for _ in range(8)}


@pytest.fixture(scope="module")
def host(environment: dict[str, str], tokens: dict[str, str]) -> Iterator[str]:
    """The address of the host's server, with a worker behind it."""
    with ExitStack() as running, socket.create_server(("127.0.0.1", 0)) as listening:
        running.enter_context(process(BOTLIVE, "worker", environment=environment))
        with_tokens = {**environment, "HOST_TOKENS": json.dumps(tokens)}
        command = (sys.executable, "-m", "tests.acceptance.host", str(listening.fileno()))
        running.enter_context(process(*command, environment=with_tokens, keep=(listening.fileno(),)))
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"


@pytest.fixture
def shop(stack: Stack, environment: dict[str, str], tokens: dict[str, str], host: str) -> Iterator[Shop]:
    """A new shop with a new owner."""
    token, company_id = tokens.popitem()
    owner = register(stack, company_id)
    user = {"apikey": stack.environment["SUPABASE_ANON_KEY"], "Authorization": f"Bearer {stack.token(owner)}"}
    queue = redis.Redis.from_url(environment["REDIS_URL"])
    with (
        httpx.Client(base_url=host, headers={"Authorization": f"Bearer {token}"}, timeout=30) as front_end,
        httpx.Client(base_url=stack.environment["SUPABASE_URL"], headers=user, timeout=30) as reading,
        Publisher(queue, queue=environment["BOTLIVE_QUEUE"], within=10) as chat,
    ):
        yield Shop(company_id, front_end, reading, chat)


def register(stack: Stack, company_id: str) -> UUID:
    """Make the shop; its owner's id."""
    owner = uuid4()
    with psycopg.connect(stack.environment["DATABASE_URL"]) as database:
        database.execute("insert into auth.users (id) values (%s)", [owner])
        database.execute("select botlive.map_company(%s, null, %s)", [company_id, owner])
    return owner


def payment(shop: Shop) -> PaymentValidated:
    """A payment that the chat has validated."""
    return PaymentValidated(company_id=shop.company_id, user_id=PHONE, amount=2000, reference="WAVE-123")


def order(shop: Shop) -> OrderCompleted:
    """An order that the chat has completed."""
    return OrderCompleted(
        company_id=shop.company_id,
        user_id=PHONE,
        customer_name="Awa",
        total_amount=12000,
        items=(Item(name="Couches bébé", quantity=2, price=6000),),
        zone="Cocody",
    )


def test_toggle_live_mode_makes_a_session_row(shop: Shop) -> None:
    """Tester toggle Mode LIVE (vérifier session créée dans `bot_sessions`).

    The session has the id of the answer; switching off ends it.
    """
    enabled = shop.toggle(enable=True)
    assert enabled.keys() == {"status", "session_id"}
    assert enabled["status"] == "enabled"
    (session,) = eventually(lambda: shop.rows("bot_sessions"))
    assert (session["id"], session["mode"], session["ended_at"]) == (enabled["session_id"], "live", None)
    assert shop.toggle(enable=False) == {"status": "disabled"}
    (ended,) = eventually(lambda: shop.rows("bot_sessions", ended_at="not.is.null"))
    assert ended["id"] == session["id"]


def test_validated_payment_makes_an_activity(shop: Shop) -> None:
    """Tester validation paiement (vérifier activité dans `activities`)."""
    event_id = shop.chat.publish(payment(shop))
    (row,) = eventually(lambda: shop.rows("activities"))
    assert (row["id"], row["type"], row["status"]) == (str(event_id), "order", "success")
    assert row["title"] == "Paiement validé: 2000 FCFA"
    assert row["description"] == "Référence: WAVE-123"
    assert row["metadata"]["event"] == "paiement_valide"


def test_complete_order_makes_an_order_row(shop: Shop) -> None:
    """Tester commande complète (vérifier ordre dans `orders`).

    With its activity, which names it.
    """
    event_id = shop.chat.publish(order(shop))
    (row,) = eventually(lambda: shop.rows("orders"))
    assert (row["id"], row["status"], row["customer_name"]) == (str(event_id), "pending", "Awa")
    assert row["total_amount"] == 12000
    assert row["items"] == [{"name": "Couches bébé", "quantity": 2, "price": 6000}]
    (activity,) = shop.rows("activities")
    assert activity["metadata"]["order_id"] == row["id"]


def test_activity_endpoint_returns_the_activities(shop: Shop) -> None:
    """Tester endpoint `/botlive/activity` (doit retourner activités).

    Newest first, in the front end's shape.
    """
    assert shop.get("/botlive/activity") == {"success": True, "activities": []}
    shop.chat.publish_many([payment(shop), order(shop)])
    eventually(lambda: len(shop.rows("activities")) == 2)
    answer = shop.get("/botlive/activity")
    assert answer == {
        "success": True,
        "activities": [
            {
                "type": "commande_enregistree",
                "client": "Commande de Awa",
                "produit": "Montant: 12000 FCFA",
                "timestamp": "il y a quelques secondes",
            },
            {
                "type": "paiement_valide",
                "client": "Paiement validé: 2000 FCFA",
                "produit": "Référence: WAVE-123",
                "timestamp": "il y a quelques secondes",
            },
        ],
    }


def test_active_orders_endpoint_returns_the_orders(shop: Shop) -> None:
    """Tester endpoint `/botlive/orders/active` (doit retourner commandes).

    The pending ones, in the front end's shape: an order that its owner completes is gone from them.
    """
    event = order(shop)
    shop.chat.publish(event)
    eventually(lambda: shop.rows("orders"))
    answer = shop.get("/botlive/orders/active")
    assert (answer["success"], answer["total"]) == (True, 1)
    (shown,) = answer["orders"]
    assert datetime.fromisoformat(shown.pop("created_at")) == event.occurred_at
    assert shown == {
        "user_id": PHONE,
        "user_name": "Awa",
        "produit": "Couches bébé",
        "paiement": "✅ 12000 FCFA",
        "zone": "✅ Cocody",
        "numero": "❌",
        "completion_rate": 75,
    }
    done = shop.owner.patch(f"/rest/v1/orders?id=eq.{event.event_id}", json={"status": "completed"})
    assert done.status_code == 204
    assert shop.get("/botlive/orders/active") == {"success": True, "orders": [], "total": 0}


def test_another_shop_is_refused(shop: Shop) -> None:
    """The host's dependency refuses it on every endpoint: nothing is read or switched."""
    refused = [
        shop.front_end.get("/botlive/activity/another"),
        shop.front_end.get("/botlive/orders/active/another"),
        shop.front_end.post("/toggle-live-mode", json={"company_id": "another", "enable": True}),
    ]
    for response in refused:
        assert (response.status_code, response.json()["detail"]) == (403, "not your shop")
        assert response.headers["content-type"] == "application/problem+json"
    assert shop.front_end.get("/").json() == {"host": "botlive"}
