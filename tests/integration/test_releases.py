"""Migrations over time: a released table file stays, and an older schema is brought over."""

import os
import subprocess
from hashlib import sha256
from pathlib import Path

import psycopg
import pytest

from devstack.stack import Stack
from events import AnyEvent, LiveToggled, PaymentIssue, PaymentValidated
from events.contracts import TYPES
from operations.migrations import bundled, check, migrate, script
from tests.integration.catalog import catalog
from tests.integration.conftest import empty_database
from tests.integration.line import BIN
from tests.integration.test_migrations import connect, persist
from tests.make import order
from tests.zoo import ZOO, base
from worker.elements import element, plain_element

pytestmark = pytest.mark.slow

DATA = Path(__file__).parents[1] / "data"
MEMBERS = {member.name: member.sql for member in ZOO}
PRIVILEGES = b"""
    select c.relname, r.role_name, p.privilege
    from pg_class c, (values ('anon'), ('authenticated')) as r (role_name),
      (values ('SELECT'), ('INSERT'), ('UPDATE'), ('DELETE')) as p (privilege)
    where c.relnamespace = 'public'::regnamespace and c.relkind = 'r' and c.relname <> 'company_mapping'
      and has_table_privilege(r.role_name, c.oid, p.privilege)
"""


def test_a_table_file_is_never_changed() -> None:
    """It runs once, so a change of it would reach no database. A change is a new file, listed too."""
    listed = dict(
        line.split()[::-1] for line in (DATA / "migrations.sha256").read_text(encoding="utf-8").splitlines()
    )
    *tables, _functions = bundled()
    assert {f"{each.name}.sql": sha256(each.sql).hexdigest() for each in tables} == listed


@pytest.mark.parametrize("earlier", ["release-0.1.sql", "landed-20261126.sql"])
def test_an_earlier_schema_becomes_the_present_one(stack: Stack, earlier: str) -> None:
    """After a plain `botlive migrate` it has the same objects as a new database, alike in everything."""
    with empty_database(stack) as old, empty_database(stack) as new:
        with psycopg.connect(old) as database:
            database.execute((DATA / earlier).read_bytes())
        lines = [line for line in migrate(old) if not line.startswith("botlive: dropped the index ")]
        assert [line.split()[0] for line in lines] == [each.name for each in bundled()]
        migrate(new)
        with psycopg.connect(old) as before, psycopg.connect(new) as after:
            assert catalog(before) == catalog(after)
        assert [line for line in migrate(old) if not line.endswith(" already applied")] == []


def test_the_records_and_events_of_the_former_files_stay(database_url: str) -> None:
    """An event that was persisted under the 16 former files is a duplicate. Their records stay."""
    with connect(database_url) as database:
        database.execute((DATA / "landed-20261126.sql").read_bytes())
        database.execute("select botlive.map_company('shop')")
        event = order("shop")
        assert [one["outcome"] for one in persist(database, event)] == ["persisted"]
        records = "select version, checksum, applied_at from botlive.migrations where version < '20261127'"
        before = database.execute(records).fetchall()
        migrate(database_url)
        assert len(before) == 16
        assert database.execute(records).fetchall() == before
        assert [one["outcome"] for one in persist(database, event, order("shop"))] == [
            "duplicate",
            "persisted",
        ]


def test_release_0_1_is_brought_over(database_url: str) -> None:
    """It had run twice and taken rights: the policies that are left get back what they use."""
    with connect(database_url) as database:
        database.execute(base())
        database.execute(MEMBERS["owner-policies"].encode())
        for _ in range(2):
            database.execute((DATA / "release-0.1.sql").read_bytes())
        database.execute("select botlive.map_company('shop')")
        event = order("shop")
        said = migrate(database_url)
        rights = {" ".join(row.values()) for row in database.execute(PRIVILEGES)}
        assert {f"companies authenticated {right}" for right in ("INSERT", "UPDATE")} <= rights
        assert {f"orders authenticated {right}" for right in ("INSERT", "UPDATE", "DELETE")} <= rights
        assert not {"activities authenticated UPDATE", "activities anon SELECT"} & rights
        assert any(
            'gave back privilege "insert of authenticated" on public.companies' in line for line in said
        )
        assert [one["outcome"] for one in persist(database, event)] == ["persisted"]
    assert [line for line in migrate(database_url) if not line.endswith("already applied")] == []


def test_what_was_taken_can_be_given_back(database_url: str) -> None:
    """The SQL that is kept with it runs, and brings the former policies and privileges back."""
    with connect(database_url) as database:
        database.execute(base())
        database.execute(
            """create policy "Enable all" on public.orders as permissive for all to public
                 using (true) with check (status is not null);
               create policy everyone on public.activities for insert to anon, authenticated
                 with check (true)"""
        )
        before = database.execute("select * from pg_policies order by policyname").fetchall()
        rights = set(map(str, database.execute(PRIVILEGES).fetchall()))
        migrate(database_url)
        assert set(map(str, database.execute(PRIVILEGES).fetchall())) < rights
        for row in database.execute("select give_back from botlive.replaced_policies").fetchall():
            database.execute(row["give_back"].encode())
        after = database.execute(
            "select * from pg_policies where policyname !~ '^botlive_owner' order by policyname"
        ).fetchall()
        assert rights <= set(map(str, database.execute(PRIVILEGES).fetchall()))
    assert after == before


def test_drift_is_brought_back_by_a_plain_migrate(database_url: str) -> None:
    """Row level security that is off, an open policy, a table that is gone: found, whatever is recorded."""
    migrate(database_url)
    with connect(database_url) as database:
        database.execute(
            """alter table public.orders disable row level security;
               create policy "all" on public.activities for select using (true);
               drop table public.bot_sessions;
               drop policy botlive_owner_select on public.orders;
               drop trigger botlive_keep_facts on public.activities"""
        )
        said = migrate(database_url)
        policies = {row["policyname"] for row in database.execute("select policyname from pg_policies")}
        (row,) = database.execute(
            "select relrowsecurity from pg_class where oid = 'public.orders'::regclass"
        ).fetchall()
        assert row["relrowsecurity"]
        assert "all" not in policies
        assert "botlive_owner_select" in policies
        assert database.execute("select to_regclass('public.bot_sessions') as t").fetchall() != [{"t": None}]
        assert database.execute("select from pg_trigger where tgname = 'botlive_keep_facts'").rowcount == 3
    assert any('replaced policy "all" on public.activities' in line for line in said)
    assert [line for line in migrate(database_url) if not line.endswith("already applied")] == []


def test_one_script_for_the_sql_editor(database_url: str) -> None:
    """The script does the same as `botlive migrate`, and may run twice."""
    with psycopg.connect(database_url) as editor:
        for _ in range(2):
            editor.execute(script().encode())
        editor.commit()
    assert migrate(database_url) == [f"{each.name} already applied" for each in bundled()]
    assert check(database_url) == []


def test_the_samples_are_what_the_handlers_make(database_url: str) -> None:
    """A rehearsal that writes other rows than events do would prove nothing."""
    made: list[AnyEvent] = [
        PaymentValidated(company_id="shop", user_id="+2250700000000", amount=2000, reference="WAVE-123"),
        PaymentIssue(
            company_id="shop",
            user_id="+2250700000000",
            issue_type="payment_insufficient",
            message="Montant insuffisant: 1500 FCFA reçu, 2000 FCFA requis",
        ),
        order("shop", customer_name="Awa", total_amount=12000),
        LiveToggled(company_id="shop", enabled=False),
    ]
    migrate(database_url)
    with connect(database_url) as database:
        samples = {
            row["event_type"]: row["event"]
            for row in database.execute("select * from botlive.sample_events('shop')")
        }
        plains = {
            row["event_type"]: row["p"]
            for row in database.execute(
                "select event_type, botlive.plain(event) as p from botlive.sample_events('shop')"
            )
        }
    assert samples.keys() == {event.type for event in made} == {*TYPES}, "sample_events() lacks a type"
    for event in made:
        activity = dict(element(event)["activity"])
        sample = samples[event.type]["activity"]
        assert sample == {name: activity[name] for name in sample}
        assert plains[event.type] == plain_element(element(event))


def botlive_migrate(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """The command, as a person or a release phase runs it."""
    return subprocess.run(
        [str(BIN / "botlive"), "migrate", *arguments],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )


def test_the_exit_code_says_that_a_table_can_take_no_event(database_url: str) -> None:
    """The line has table, column, type found and wanted, and the cure. After the repair the code is 0."""
    with connect(database_url) as database:
        database.execute(base())
        database.execute(MEMBERS["renamed-column"].encode())
        done = botlive_migrate(DATABASE_URL=database_url)
        assert done.returncode == 1, done
        assert "cannot work: orders.total_amount cannot take an event: found no such column" in done.stdout
        database.execute("alter table public.orders rename column amount to total_amount")
        done = botlive_migrate(DATABASE_URL=database_url)
    assert done.returncode == 0, done
    assert "note: taken on " in done.stdout


def test_the_script_needs_no_database() -> None:
    """`botlive migrate --sql` prints it and asks for nothing."""
    done = botlive_migrate("--sql", DATABASE_URL="")
    assert (done.returncode, done.stdout) == (0, script())
