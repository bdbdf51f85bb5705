"""Every query of the front end and the endpoints is served by an index, on a million rows."""

import json
from collections.abc import Iterator
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest

from operations.migrations import migrate

SHOPS = 1_000
ROWS = 1_000_000
FILL = (
    """insert into public.companies (id, name)
       select gen_random_uuid(), 'shop ' || n from generate_series(1, %s) n""",
    """insert into public.company_mapping (uuid, company_id)
       select id, 'text-' || row_number() over (order by id) from public.companies""",
    """create table public.numbered as
       select uuid, row_number() over (order by uuid) - 1 as n from public.company_mapping""",
    """insert into public.orders (company_id, customer_name, total_amount, status, items, created_at)
       select s.uuid, 'Awa', 1000, case when r / %(shops)s %% 50 = 0 then 'pending' else 'completed' end,
              '[]', now() - r * interval '1 second'
       from generate_series(1, %(rows)s) r join public.numbered s on s.n = r %% %(shops)s""",
    """insert into public.activities (company_id, type, title, description, status, created_at)
       select s.uuid, 'order', 'Commande', '', 'info', now() - r * interval '1 second'
       from generate_series(1, %(rows)s) r join public.numbered s on s.n = r %% %(shops)s""",
    """insert into public.bot_sessions (company_id, mode, started_at, ended_at)
       select s.uuid, 'live', now() - r * interval '1 second', now()
       from generate_series(1, %(rows)s) r join public.numbered s on s.n = r %% %(shops)s""",
)
QUERIES = {  # what is asked, and the index that serves it
    "select * from public.orders where company_id = %s order by created_at desc limit 50": (
        "orders_company_id_created_at_idx"
    ),
    """select * from public.orders where company_id = %s and status = 'pending'
       order by created_at desc limit 50""": "orders_pending_idx",
    "select * from public.activities where company_id = %s order by created_at desc limit 50": (
        "activities_company_id_created_at_idx"
    ),
    "select * from public.bot_sessions where company_id = %s order by started_at desc limit 10": (
        "bot_sessions_company_id_started_at_idx"
    ),
}


@pytest.fixture(scope="module")
def shop(module_database_url: str) -> Iterator[tuple[psycopg.Connection[Any], UUID]]:
    """One shop of a thousand, each with a thousand rows a table, seen by its owner."""
    migrate(module_database_url)
    owner = uuid4()
    with psycopg.connect(module_database_url, autocommit=True) as database:
        database.execute(FILL[0].encode(), [SHOPS])
        for statement in FILL[1:3]:
            database.execute(statement.encode())
        for statement in FILL[3:]:
            database.execute(statement.encode(), {"rows": ROWS, "shops": SHOPS})
        database.execute("insert into auth.users (id) values (%s)", [owner])
        row = database.execute(
            """update public.company_mapping set user_id = %s
               where uuid = (select uuid from public.numbered where n = 7) returning uuid""",
            [owner],
        ).fetchone()
        database.execute("analyze")
        claims = json.dumps({"sub": str(owner), "role": "authenticated"})
        database.execute("select set_config('request.jwt.claims', %s, false)", [claims])
        database.execute("set role authenticated")
        assert row
        yield database, row[0]


def nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Every node of a plan."""
    yield plan
    for child in plan.get("Plans", ()):
        yield from nodes(child)


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("query", QUERIES)
def test_an_index_serves_the_query(query: str, shop: tuple[psycopg.Connection[Any], UUID]) -> None:
    """Under the owner's row level security it walks its index: no sort, no scan of the table."""
    database, uuid = shop
    answer = database.execute(f"explain (analyze, format json) {query}".encode(), [uuid]).fetchone()
    assert answer
    (plan,) = answer[0]
    seen = list(nodes(plan["Plan"]))
    assert QUERIES[query] in {node.get("Index Name") for node in seen}
    relation = query.partition("public.")[2].partition(" ")[0]
    assert not [
        node for node in seen if node["Node Type"] == "Seq Scan" and node["Relation Name"] == relation
    ]
    assert not [node for node in seen if "Sort" in node["Node Type"]]
    assert plan["Plan"]["Actual Rows"] in (10, 20, 50)
