"""Access: owners see and change only their own rows, strangers none. Each probe has a positive control."""

from typing import Any
from uuid import uuid4

import httpx
import pytest

from events import Item, LiveToggled, OrderCompleted
from tests.contract.conftest import Shop, Target
from tests.make import persist
from tests.oracle import TABLES

CLOSED = ["companies", "company_mapping", "company_rag_configs"]
FUNCTIONS: dict[str, dict[str, Any]] = {
    "botlive_persist": {"events": []},
    "botlive_admits": {"plain_events": []},
    "botlive_company_add": {"text_id": "contract-nobody"},
    "botlive_company_link": {"text_id": "contract-nobody"},
    "botlive_company_add_by_force": {"text_id": "contract-nobody"},
    "botlive_company_link_by_force": {"text_id": "contract-nobody"},
    "botlive_company_list": {},
    "botlive_probe": {},
    "botlive_read_activities": {"text_id": "contract-nobody"},
    "botlive_read_orders": {"text_id": "contract-nobody"},
    "botlive_read_session": {"text_id": "contract-nobody"},
    "botlive_persisted": {"event_ids": []},
}


@pytest.fixture(scope="module")
def shops(target: Target) -> tuple[Shop, Shop]:
    """Two shops, each with an order, a session, activities and a config."""
    both = target.shop(), target.shop()
    for shop in both:
        fill(target, shop)
    return both


def fill(target: Target, shop: Shop) -> None:
    """Rows in every table."""
    items = (Item(name="Pagne", quantity=1, price=9000),)
    order = OrderCompleted(
        company_id=shop.company_id, user_id="+2250700000000", total_amount=9000, items=items
    )
    persist(target.gateway, [order, LiveToggled(company_id=shop.company_id, enabled=True)])
    target.database.execute(
        """insert into public.company_rag_configs (company_id, company_name, user_id)
           values (%s, 'Boutique', %s)""",
        [shop.company_id, shop.owner],
    )


def own(table: str, shop: Shop) -> dict[str, str]:
    """The filter that names a shop's rows."""
    match table:
        case "companies":
            return {"id": f"eq.{shop.uuid}"}
        case "company_mapping" | "company_rag_configs":
            return {"company_id": f"eq.{shop.company_id}"}
        case _:
            return {"company_id": f"eq.{shop.uuid}"}


def code(answer: httpx.Response) -> Any:
    """The error's code in PostgREST's body."""
    return answer.json()["code"]


@pytest.mark.parametrize("table", [*TABLES, *CLOSED])
def test_an_owner_reads_own_rows_and_no_others(table: str, shops: tuple[Shop, Shop]) -> None:
    """With a filter on another shop the owner gets no row; without a filter only his own rows."""
    mine, other = shops
    answer = mine.api.get(f"/{table}", params=own(table, mine))
    assert answer.status_code == 200
    assert answer.json()
    assert mine.api.get(f"/{table}", params=own(table, other)).json() == []
    everything = mine.api.get(f"/{table}").json()
    assert sorted(map(str, everything)) == sorted(map(str, answer.json()))


@pytest.mark.parametrize("table", [*TABLES, *CLOSED])
def test_anon_reads_nothing(table: str, target: Target, shops: tuple[Shop, Shop]) -> None:
    """The anonymous key and a request without a key read no table that the owner reads."""
    for client in (target.client(target.token("anon")), target.client(None)):
        with client:
            answer = client.get(f"/{table}", params=own(table, shops[0]))
        assert answer.status_code == 401
    assert shops[0].api.get(f"/{table}", params=own(table, shops[0])).json()


@pytest.mark.parametrize("table", [*TABLES, *CLOSED])
def test_a_user_without_a_shop_reads_nothing(table: str, target: Target, shops: tuple[Shop, Shop]) -> None:
    """A signed-in user without a shop sees no row."""
    with target.client(target.token("authenticated", sub=str(uuid4()))) as stranger:
        assert stranger.get(f"/{table}").json() == []
    assert shops[0].api.get(f"/{table}").json()


@pytest.mark.parametrize("name", FUNCTIONS)
def test_only_the_workers_key_calls_functions(name: str, target: Target, shops: tuple[Shop, Shop]) -> None:
    """Owners and strangers are refused; the worker's key is let through to the function's own answer."""
    assert code(shops[0].api.post(f"/rpc/{name}", json=FUNCTIONS[name])) == "42501"
    with target.client(target.token("anon")) as anon:
        assert code(anon.post(f"/rpc/{name}", json=FUNCTIONS[name])) == "42501"
    known = {"text_id": shops[0].company_id} if "text_id" in FUNCTIONS[name] else {}
    with target.client(target.key) as worker:
        assert worker.post(f"/rpc/{name}", json=FUNCTIONS[name] | known).is_success


def test_an_owner_completes_an_order(target: Target, shops: tuple[Shop, Shop]) -> None:
    """The owner can set the status of his own orders, and no other column and no other order."""
    mine, other = shops
    done = mine.api.patch(
        "/orders",
        params=own("orders", mine),
        json={"status": "completed"},
        headers={"Prefer": "return=representation"},
    )
    assert [row["status"] for row in done.json()] == ["completed"]
    foreign = mine.api.patch(
        "/orders",
        params=own("orders", other),
        json={"status": "cancelled"},
        headers={"Prefer": "return=representation"},
    )
    assert foreign.json() == []
    assert {row["status"] for row in target.rows(other).orders.values()} == {"pending"}
    for change in ({"total_amount": 1}, {"company_id": str(other.uuid)}, {"created_at": "2020-01-01"}):
        assert code(mine.api.patch("/orders", params=own("orders", mine), json=change)) == "42501"


@pytest.mark.parametrize(
    ("table", "change"),
    [
        ("company_mapping", {"company_id": "mine now"}),
        ("company_rag_configs", {"company_name": "mine now"}),
    ],
)
def test_an_owner_writes_no_table_that_decides_who_owns_what(
    table: str, change: dict[str, str], shops: tuple[Shop, Shop], target: Target
) -> None:
    """Changes, inserts and deletes there are refused even on own rows; the worker's key may."""
    mine = shops[0]
    assert code(mine.api.patch(f"/{table}", params=own(table, mine), json=change)) == "42501"
    assert code(mine.api.post(f"/{table}", json=change)) == "42501"
    assert code(mine.api.delete(f"/{table}", params=own(table, mine))) == "42501"
    with target.client(target.key) as worker:
        unchanged = worker.patch(f"/{table}", params=own(table, mine), json=own_values(mine))
    assert unchanged.is_success


def own_values(shop: Shop) -> dict[str, str]:
    """A change that changes nothing."""
    return {"company_id": shop.company_id}


def test_an_owner_makes_no_orders_or_activities(target: Target, shops: tuple[Shop, Shop]) -> None:
    """Only the worker creates facts, unless the project has a policy for it."""
    mine = shops[0]
    for table in ("orders", "activities"):
        if target.own_policies(table, "INSERT"):
            continue
        assert code(mine.api.post(f"/{table}", json={"company_id": str(mine.uuid)})) == "42501"


def test_an_owner_opens_ends_and_deletes_sessions_of_his_own(target: Target) -> None:
    """The owner can do so by hand in his own shop only."""
    mine, other = target.shop(), target.shop()
    session = {"company_id": str(mine.uuid), "mode": "live", "started_at": "2026-11-20T08:00:00Z"}
    made = mine.api.post("/bot_sessions", json=session, headers={"Prefer": "return=representation"})
    assert made.status_code == 201
    assert code(mine.api.post("/bot_sessions", json=session | {"company_id": str(other.uuid)})) == "42501"
    this = {"id": f"eq.{made.json()[0]['id']}"}
    assert mine.api.patch("/bot_sessions", params=this, json={"ended_at": "2026-11-20T09:00:00Z"}).is_success
    assert mine.api.delete("/bot_sessions", params=this).is_success
    assert target.rows(mine).sessions == {}


def test_an_owner_deletes_own_orders_only(target: Target) -> None:
    """The owner can delete his own orders and no others."""
    mine, other = target.shop(), target.shop()
    for shop in (mine, other):
        fill(target, shop)
    mine.api.delete("/orders", params=own("orders", mine))
    mine.api.delete("/orders", params=own("orders", other))
    assert target.rows(mine).orders == {}
    assert len(target.rows(other).orders) == 1


@pytest.mark.parametrize(
    "name", ["inbox", "toggles", "horizon", "migrations", "replaced_policies", "known_tables"]
)
def test_what_is_not_for_the_api_is_not_in_it(name: str, target: Target) -> None:
    """The tables of the schema botlive cannot be reached, with the worker's key neither."""
    with target.client(target.key) as worker:
        assert worker.get(f"/{name}").status_code == 404


def test_an_expired_or_forged_token_is_refused(target: Target, shops: tuple[Shop, Shop]) -> None:
    """A token of yesterday and one with another signature open nothing."""
    expired = target.token("service_role", exp=1)
    forged = target.token("service_role")[:-4] + "AAAA"
    for token in (expired, forged):
        with target.client(token) as client:
            assert client.get("/orders", params=own("orders", shops[0])).status_code == 401


def test_every_table_has_row_level_security(target: Target) -> None:
    """Ours and Lovable's alike."""
    names = [f"public.{table}" for table in [*TABLES, *CLOSED]]
    names += ["botlive.inbox", "botlive.toggles", "botlive.migrations"]
    names += ["botlive.replaced_policies", "botlive.known_tables"]
    open_ones = target.database.execute(
        "select oid::regclass::text from pg_class where oid = any(%s::regclass[]) and not relrowsecurity",
        [names],
    )
    assert open_ones.fetchall() == []


def test_no_function_of_ours_is_for_everyone(target: Target) -> None:
    """None may be executed by anon or authenticated, and each pins its search path."""
    mistakes = target.database.execute(
        """select p.oid::regprocedure::text as name from pg_proc p
           where (p.pronamespace = 'botlive'::regnamespace or p.proname like 'botlive_%')
             and (has_function_privilege('anon', p.oid, 'execute')
                  or has_function_privilege('authenticated', p.oid, 'execute')
                  or not coalesce('search_path=pg_catalog, pg_temp' = any (p.proconfig), false))"""
    )
    assert mistakes.fetchall() == []
