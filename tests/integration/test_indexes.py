"""Each query reads few blocks of large tables, by an index; no index is written that no query needs."""

import json
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple
from uuid import UUID, uuid4

import psycopg
import pytest

from operations.migrations import migrate

SHOPS = 60
ROWS = 30_000
FEW = 70
"""Blocks: fifty rows, each in another block, the index, and the owner's mapping."""
FILL = (
    """insert into public.companies (id, name)
       select gen_random_uuid(), 'shop ' || n from generate_series(1, %(shops)s) n""",
    """insert into public.company_mapping (uuid, company_id)
       select id, 'text-' || row_number() over (order by id) from public.companies""",
    """create table public.numbered as
       select uuid, row_number() over (order by uuid) - 1 as n from public.company_mapping""",
    """insert into public.orders (company_id, customer_name, total_amount, status, items, created_at)
       select s.uuid, 'Awa', 1000, case when r / %(shops)s %% 50 = 0 then 'pending' else 'completed' end,
              '[]', now() - r * interval '1 second'
       from generate_series(1, %(rows)s) r join public.numbered s on s.n = r %% %(shops)s order by r""",
    """insert into public.activities (company_id, type, title, description, status, created_at)
       select s.uuid, 'order', 'Commande', '', 'info', now() - r * interval '1 second'
       from generate_series(1, %(rows)s) r join public.numbered s on s.n = r %% %(shops)s order by r""",
    """insert into public.bot_sessions (company_id, mode, started_at, ended_at)
       select s.uuid, 'live', now() - r * interval '1 second', now()
       from generate_series(1, %(rows)s) r join public.numbered s on s.n = r %% %(shops)s order by r""",
    """insert into botlive.toggles (event_id, company, occurred_at, enabled, mode)
       select gen_random_uuid(), s.uuid, now() - r * interval '1 second', r / %(shops)s %% 2 = 0, 'live'
       from generate_series(1, %(rows)s) r join public.numbered s on s.n = r %% %(shops)s order by r""",
    """insert into botlive.inbox (event_id, event_type, company_id, digest, occurred_at)
       select id, 'order_completed', 'text-1', '', created_at from public.activities""",
    "drop table public.numbered",
)
OWNERS = {  # what the front end asks as the signed-in owner, and the index that serves it
    "select * from public.orders where company_id = %(shop)s order by created_at desc limit 50": (
        "orders_company_id_created_at_idx"
    ),
    """select * from public.orders where company_id = %(shop)s and status = 'pending'
       order by created_at desc limit 50""": "orders_pending_idx",
    "select * from public.activities where company_id = %(shop)s order by created_at desc limit 50": (
        "activities_company_id_created_at_idx"
    ),
    "select * from public.bot_sessions where company_id = %(shop)s order by started_at desc limit 10": (
        "bot_sessions_company_id_started_at_idx"
    ),
    "select * from public.orders where id = any(%(ids)s)": "orders_pkey",  # after a live change
    "update public.orders set status = 'completed' where id = any(%(ids)s)": "orders_pkey",
}
OURS = {  # the statements of our functions: sessions, prune, reconcile, and the rows of a batch
    """select t from botlive.toggles t
       where t.company = %(shop)s and (t.occurred_at, t.event_id) < (now(), %(id)s)
       order by t.occurred_at desc, t.event_id desc limit 1""": "toggles_in_order_idx",
    """select t from botlive.toggles t where t.company = %(shop)s and not t.enabled
         and (t.occurred_at, t.event_id) > (now() - interval '1 day', %(id)s)
       order by t.occurred_at, t.event_id limit 1""": "toggles_in_order_idx",
    "select t from botlive.toggles t where t.event_id = any(%(ids)s)": "toggles_pkey",
    "select i.digest from botlive.inbox i where i.event_id = any(%(ids)s)": "inbox_pkey",
    "delete from public.activities a where a.id = any(%(ids)s)": "activities_pkey",
    "select o.id from public.orders o where o.id = any(%(ids)s)": "orders_pkey",
    "delete from public.bot_sessions s where s.id = %(id)s": "bot_sessions_pkey",
}
READS = (  # the functions that the dashboard calls
    "select public.botlive_read_activities(%(text)s, 50)",
    "select public.botlive_read_orders(%(text)s, 'pending', 50)",
    "select public.botlive_read_orders(%(text)s, null, 50)",
    "select public.botlive_read_orders(%(text)s, 'completed', 50)",
)
WRITTEN = ["public.orders", "public.activities", "public.bot_sessions", "botlive.toggles", "botlive.inbox"]
DATED = {  # the indexes that an earlier release made, and that go
    "orders_dated_idx": "orders (company_id, created_at desc nulls last, id desc) where status = 'pending'",
    "activities_dated_idx": "activities (company_id, created_at desc nulls last, id desc)",
}

Connection = psycopg.Connection[Any]


class Shop(NamedTuple):
    """One shop of many, each with 500 rows a table, and its owner."""

    database: Connection
    owner: UUID
    arguments: dict[str, Any]

    def plan(self, query: str) -> dict[str, Any]:
        """Explain the query on warm caches, and undo it."""
        with self.database.transaction(force_rollback=True):
            for _ in range(2):  # the first call reads the catalog, too
                row = self.database.execute(
                    f"explain (analyze, buffers, format json) {query}".encode(), self.arguments
                ).fetchone()
        assert row
        return dict(row[0][0]["Plan"])


@pytest.fixture(scope="module")
def shop(module_database_url: str) -> Iterator[Shop]:
    """A migrated database with large tables, and one of its shops."""
    migrate(module_database_url)
    owner = uuid4()
    with psycopg.connect(module_database_url, autocommit=True) as database:
        database.execute("set session_replication_role = replica")  # no triggers: that is faster
        for statement in FILL:
            database.execute(statement.encode(), {"rows": ROWS, "shops": SHOPS})
        database.execute("reset session_replication_role")
        database.execute("insert into auth.users (id) values (%s)", [owner])
        row = database.execute(
            """update public.company_mapping set user_id = %s where company_id = 'text-7'
               returning uuid, company_id""",
            [owner],
        ).fetchone()
        database.execute("vacuum analyze")
        assert row
        yield Shop(database, owner, {"shop": row[0], "text": row[1], "id": uuid4(), "ids": [uuid4()]})


@pytest.fixture
def as_owner(shop: Shop) -> Iterator[Shop]:
    """The same, seen by its owner under row level security."""
    claims = json.dumps({"sub": str(shop.owner), "role": "authenticated"})
    shop.database.execute("select set_config('request.jwt.claims', %s, false)", [claims])
    shop.database.execute("set role authenticated")
    yield shop
    shop.database.execute("reset role")


def indexes(plan: dict[str, Any]) -> set[str]:
    """The indexes that the plan uses."""
    found = {str(plan["Index Name"])} if "Index Name" in plan else set()
    return found.union(*map(indexes, plan.get("Plans", ())))


def blocks(plan: dict[str, Any]) -> int:
    """The blocks that the plan read, from the cache or from the disk."""
    return int(plan["Shared Hit Blocks"] + plan["Shared Read Blocks"])


def assert_serves(index: str, plan: dict[str, Any]) -> None:
    """The plan uses the index and reads few blocks."""
    assert index in indexes(plan)
    assert blocks(plan) <= FEW


@pytest.mark.slow
@pytest.mark.parametrize("query", OWNERS)
def test_an_index_serves_the_owners_query(query: str, as_owner: Shop) -> None:
    """Under the owner's row level security the query uses its index and reads few blocks."""
    assert_serves(OWNERS[query], as_owner.plan(query))


@pytest.mark.slow
@pytest.mark.parametrize("query", OURS)
def test_an_index_serves_our_statement(query: str, shop: Shop) -> None:
    """A statement of our functions uses its index and reads few blocks."""
    assert_serves(OURS[query], shop.plan(query))


@pytest.mark.slow
@pytest.mark.parametrize("query", READS)
def test_a_read_of_the_dashboard_reads_few_blocks(query: str, shop: Shop) -> None:
    """A function reads the newest rows by the front end's index, not all rows of the shop."""
    plan = shop.plan(query)
    assert 0 < blocks(plan) <= FEW


@pytest.mark.slow
def test_every_index_has_a_query(shop: Shop) -> None:
    """An event writes no index that none of these queries uses."""
    rows = shop.database.execute(
        "select indexrelid::regclass::text from pg_index where indrelid = any(%s::regclass[])", [WRITTEN]
    ).fetchall()
    written = {name.rpartition(".")[2] for (name,) in rows}
    assert written == {*OWNERS.values(), *OURS.values()}


def test_the_indexes_of_an_earlier_release_go(database_url: str) -> None:
    """What an earlier release made and no query needs is dropped, and said; it is not made again."""
    migrate(database_url)
    with psycopg.connect(database_url, autocommit=True) as database:
        plant(database, DATED)
        lines = migrate(database_url)
        migrate(database_url)
        assert not found(database, DATED)
    for name in DATED:
        assert f"botlive: dropped the index {name}, which no query needs" in lines


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "target"),
    [
        ("orders_dated_idx", "orders (created_at desc)"),
        (
            "orders_dated_idx",
            "orders (company_id, created_at desc nulls last, id desc) where status = 'completed'",
        ),
        ("activities_dated_idx", "activities (company_id, created_at desc nulls last, id desc, type)"),
        ("activities_dated_idx", "orders (company_id, created_at desc nulls last, id desc)"),
    ],
)
def test_an_index_of_the_project_stays(name: str, target: str, database_url: str) -> None:
    """An index with one of these names and another definition is the project's."""
    migrate(database_url)
    with psycopg.connect(database_url, autocommit=True) as database:
        plant(database, {name: target})
        migrate(database_url)
        assert found(database, [name])


def plant(database: Connection, indexes: dict[str, str]) -> None:
    """Make the indexes in a database that the file has not reached yet."""
    for name, target in indexes.items():
        database.execute(f"create index {name} on public.{target}".encode())
    database.execute("delete from botlive.migrations where name like '%_indexes'")


def found(database: Connection, names: Iterable[str]) -> list[str]:
    """Those of the names that are indexes in public."""
    return [
        name for name in names if database.execute("select to_regclass(%s)", [name]).fetchone() != (None,)
    ]
