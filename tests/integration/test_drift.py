"""Changes to a project after the migrations are reported, and repaired only by `botlive migrate`."""

from collections.abc import Iterator
from dataclasses import dataclass

import psycopg
import pytest
from psycopg.rows import dict_row

from devstack.stack import Stack
from operations.migrations import bundled, check, migrate
from tests.integration.conftest import empty_database
from tests.integration.test_zoo import Database, connect
from tests.zoo import base
from tests.zoo.releases import inheriting

pytestmark = pytest.mark.slow


@dataclass(frozen=True)
class Change:
    """A change, and its expected result."""

    sql: str
    said: str
    """What `botlive.drift()` says of it before it is mended."""
    told: str = ""
    """What the run says that mends it; empty where it says no more than that."""


CHANGES = (
    Change(
        'create policy "all" on public.orders for select using (true)',
        'the policy "all" on public.orders is true for everyone',
        'replaced policy "all" on public.orders',
    ),
    Change(
        """create policy "all" on public.orders for select to authenticated
           using ((auth.jwt() ->> 'is_anonymous')::boolean is false)""",
        'the policy "all" on public.orders is true for everyone',
        'replaced policy "all" on public.orders',
    ),
    Change(
        "alter table public.activities disable row level security",
        "row level security is off on public.activities",
        "took row level security",
    ),
    Change(
        "alter table botlive.inbox disable row level security", "row level security is off on botlive.inbox"
    ),
    Change(
        "grant truncate on public.orders to anon",
        "truncate of anon on public.orders",
        "took privileges on public.orders: truncate of anon",
    ),
    Change(
        "grant truncate on public.companies to public",
        "truncate of public on public.companies",
        "took privileges on public.companies: truncate of public",
    ),
    Change(
        "grant all on public.company_mapping to anon",
        "insert of anon on public.company_mapping",
        "took privileges on public.company_mapping: insert of anon",
    ),
    Change(
        "grant update (user_id) on public.company_mapping to authenticated",
        "update of authenticated on public.company_mapping",
        "took privileges on public.company_mapping: update of authenticated",
    ),
    Change(
        "grant usage on schema botlive to authenticated",
        "schema botlive of authenticated",
        "took what belongs to the worker alone: schema botlive of authenticated",
    ),
    Change(
        "grant select on all tables in schema botlive to anon",
        "table botlive.inbox of anon",
        "took what belongs to the worker alone: table botlive.inbox of anon",
    ),
    Change(
        "grant execute on all functions in schema public to public",
        "function public.botlive_persist(jsonb,boolean) of public",
        "took what belongs to the worker alone: function public.botlive_persist(jsonb,boolean) of public",
    ),
    Change(
        "grant execute on function botlive.bring_up to authenticated",
        "function botlive.bring_up() of authenticated",
        "took what belongs to the worker alone: function botlive.bring_up() of authenticated",
    ),
    Change(
        "drop policy botlive_owner_select on public.orders",
        "botlive_owner_select on public.orders is gone, off or altered",
        'made "botlive_owner_select" on public.orders anew',
    ),
    Change(
        "alter policy botlive_owner_select on public.orders using (true)",
        "botlive_owner_select on public.orders is gone, off or altered",
        'made "botlive_owner_select" on public.orders anew',
    ),
    Change(
        "alter policy botlive_owner_delete on public.orders to anon",
        "botlive_owner_delete on public.orders is gone, off or altered",
        'made "botlive_owner_delete" on public.orders anew',
    ),
    Change(
        "alter policy botlive_owner_update on public.orders using (false)",
        "botlive_owner_update on public.orders is gone, off or altered",
        'made "botlive_owner_update" on public.orders anew',
    ),
    Change(
        "alter table public.orders disable trigger botlive_keep_facts",
        "botlive_keep_facts on public.orders is gone, off or altered",
        'made "botlive_keep_facts" on public.orders anew',
    ),
    Change(
        "drop trigger botlive_keep_mapping_on_insert on public.company_rag_configs",
        "botlive_keep_mapping_on_insert on public.company_rag_configs is gone, off or altered",
        'made "botlive_keep_mapping_on_insert" on public.company_rag_configs anew',
    ),
    Change(
        "drop table public.bot_sessions",
        "public.bot_sessions is not there or is no table",
    ),
    Change(
        """drop table public.activities;
           create table public.activities (id uuid primary key, company_id uuid, type text, title text,
             description text, status text, metadata jsonb);
           grant all on public.activities to anon, authenticated""",
        "public.activities was made anew and is not closed yet",
        "took row level security",
    ),
)


@pytest.fixture(scope="module")
def url(stack: Stack) -> Iterator[str]:
    """A migrated project without findings, except those that are expected."""
    with empty_database(stack) as server_url:
        with connect(server_url) as database:
            database.execute(base())
        migrate(server_url)
        yield server_url


def drift(database: Database) -> str:
    """Return the text of what was changed."""
    return "\n".join(row["words"] for row in database.execute("select words from botlive.drift()").fetchall())


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.said.replace(" ", "-"))
def test_a_change_is_said_and_mended(url: str, change: Change) -> None:
    """The check reports it and changes nothing; the migration repairs it and says so."""
    notices: list[str] = []
    with psycopg.connect(url, row_factory=dict_row) as database:
        assert drift(database) == ""
        database.execute(change.sql.encode())
        said = drift(database)
        assert change.said in said
        assert drift(database) == said
        database.add_notice_handler(lambda notice: notices.append(notice.message_primary or ""))
        database.execute("select botlive.bring_up()")
        assert drift(database) == ""
        assert change.told in "\n".join(notices)
        notices.clear()
        database.execute("select botlive.bring_up()")
        assert notices == []
        database.rollback()


def test_a_plain_migrate_finds_and_mends_it(url: str) -> None:
    """The findings name it before, and `botlive migrate` repairs it, whatever is recorded."""
    with connect(url) as database:
        database.execute('create policy "all" on public.orders for select using (true)')
        database.execute("alter policy botlive_owner_select on public.activities using (true)")
        database.execute("grant truncate on public.orders to authenticated")
        told = "\n".join(finding.words for finding in check(url))
        for words in (
            'the policy "all" on public.orders is true for everyone; cure: `botlive migrate`',
            "botlive_owner_select on public.activities is gone, off or altered; cure: `botlive migrate`",
            "truncate of authenticated on public.orders; cure: `botlive migrate`",
        ):
            assert words in told
        lines = migrate(url)
        assert {f"{each.name} already applied" for each in bundled()} < set(lines)
        assert any('replaced policy "all" on public.orders' in line for line in lines)
        told = "\n".join(finding.words for finding in check(url))
        assert "cure: `botlive migrate`" not in told
        assert migrate(url) == [f"{each.name} already applied" for each in bundled()]


def test_a_role_that_passes_by_every_policy_is_named(url: str) -> None:
    """It is not ours to change: with the SQL that ends it, which does."""
    with psycopg.connect(url, row_factory=dict_row) as database:
        for grant, role in (
            ("alter role anon bypassrls", "anon"),
            (inheriting("service_role", "authenticated"), "authenticated"),
        ):
            database.execute(grant.encode())
            (named,) = database.execute("select words, cure from botlive.roles_to_name()").fetchall()
            assert f"the role {role} " in named["words"]
            database.execute(named["cure"].encode())
            assert database.execute("select from botlive.roles_to_name()").fetchall() == []
        database.rollback()


def test_a_policy_that_is_open_on_some_rows_only_stays(stack: Stack) -> None:
    """It is named and never replaced. One that is open on every row is replaced."""
    with empty_database(stack) as url, connect(url) as database:
        database.execute(base())
        database.execute(
            """alter table public.orders enable row level security;
               create policy "recent" on public.orders for select to authenticated
                 using (created_at > now() - interval '30 days');
               create policy "all" on public.orders for update to authenticated using (true)"""
        )
        lines = "\n".join(migrate(url))
        policies = {row["policyname"] for row in database.execute("select policyname from pg_policies")}
        assert "recent" in policies
        assert "all" not in policies
        assert '"recent"' not in lines
        told = "\n".join(finding.words for finding in check(url))
        assert (
            "the policy recent on public.orders lets every signed-in user (authenticated) read some rows"
            in told
        )
