"""The migrations over databases as they are found in the field."""

import re
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest
from psycopg.rows import dict_row
from psycopg.types.json import Jsonb

from events import AnyEvent, Item, LiveToggled, OrderCompleted, PaymentIssue, PaymentValidated
from operations.migrations import bundled, migrate
from worker.elements import element

FIELD = Path(__file__).with_name("lovable.sql").read_text(encoding="utf-8")
NAMES = [migration.name for migration in bundled()]
TABLES = ("companies", "orders", "activities", "bot_sessions", "company_rag_configs")
PHONE = "+2250700000000"

Database = psycopg.Connection[dict[str, Any]]


def connect(url: str) -> Database:
    """Connect as the owner of the project."""
    return psycopg.connect(url, autocommit=True, row_factory=dict_row)


def contents(database: Database) -> dict[str, list[dict[str, Any]]]:
    """Every row of Lovable's tables, as text."""
    return {
        table: database.execute(
            f"""select to_jsonb(t) - array['metadata', 'user_id'] as row
                from public.{table} t order by 1""".encode()
        ).fetchall()
        for table in TABLES
    }


def persist(database: Database, *events: AnyEvent, apart: bool = False) -> Any:
    """Call the function as the worker's role does."""
    with database.transaction():
        database.execute("set local role service_role")
        batch = Jsonb([element(event) for event in events])
        row = database.execute("select public.botlive_persist(%s, %s) as said", [batch, apart]).fetchone()
    return row and row["said"]


def probe(database: Database) -> None:
    """The breaker's probe, as the worker's role."""
    with database.transaction():
        database.execute("set local role service_role")
        database.execute("select public.botlive_probe()")


def order(company_id: str, **fields: Any) -> OrderCompleted:
    """A plain order."""
    items = (Item(name="Pagne", quantity=1, price=9000),)
    plain = {"company_id": company_id, "user_id": PHONE, "total_amount": 9000, "items": items}
    return OrderCompleted(**{**plain, **fields})


def test_everything_is_applied_once(database_url: str) -> None:
    """The first run applies the table files and the functions in order, the second finds them applied."""
    first, second = migrate(database_url), migrate(database_url)
    assert [line for line in first if line.endswith(" applied")] == [f"{name} applied" for name in NAMES]
    assert second == [f"{name} already applied" for name in NAMES]


def test_two_at_once_apply_everything_once(database_url: str) -> None:
    """The second waits for the first and finds its work done."""
    with ThreadPoolExecutor(2) as pool:
        lines = [line for result in pool.map(migrate, [database_url] * 2) for line in result]
    assert sorted(line for line in lines if line.endswith(" applied")) == sorted(
        [f"{name} applied" for name in NAMES] + [f"{name} already applied" for name in NAMES]
    )


def test_each_file_runs_again_unrecorded(database_url: str) -> None:
    """The script of an earlier release can run after `botlive migrate`, even twice."""
    migrate(database_url)
    with connect(database_url) as database:
        for path in sorted(Path("sql").glob("*/*.sql")) * 2:
            database.execute(path.read_bytes())
        database.execute("select botlive.map_company('shop')")
        assert [said["outcome"] for said in persist(database, order("shop"))] == ["persisted"]


def test_a_field_database_loses_nothing(database_url: str) -> None:
    """Rows, extra columns and Lovable's own policies are there afterwards, the open policy is gone."""
    with connect(database_url) as database:
        database.execute(FIELD.encode())
        before = contents(database)
        lines = migrate(database_url)
        after = contents(database)
        policies = {row["policyname"] for row in database.execute("select policyname from pg_policies")}
    for table in TABLES:
        assert all(row in after[table] for row in before[table])
    assert [row for row in after["orders"] if row not in before["orders"]] == []
    assert "Owners can add notes" in policies
    assert not {"Enable all access", "Signed-in users see everything", "Anyone can insert"} & policies
    for name in ("Enable all access", "Signed-in users see everything", "Anyone can insert"):
        assert any(f'replaced policy "{name}"' in line for line in lines)


def test_every_config_of_the_field_is_mapped(database_url: str) -> None:
    """A config is mapped to the company with that UUID, else to a new one; duplicates are reported."""
    with connect(database_url) as database:
        database.execute(FIELD.encode())
        lines = migrate(database_url)
        mapping = {
            row["company_id"]: row["uuid"]
            for row in database.execute("select company_id, uuid from public.company_mapping")
        }
        strays = database.execute(
            """select from public.company_mapping m
               left join public.companies c on c.id = m.uuid where c.id is null"""
        ).fetchall()
    known = UUID("aaaaaaaa-1111-4111-8111-111111111111")
    assert strays == []
    assert mapping.keys() == {"text-id-shop", str(known), "first-integration"}
    assert mapping[str(known)] == known
    assert mapping["first-integration"] == UUID("99999999-9999-4999-8999-999999999999")
    assert any(str(known).upper() in line and "not mapped" in line for line in lines)


def test_the_mapping_keeps_up_with_new_configs(database_url: str) -> None:
    """A new config is mapped, its owner's change follows, also by a role that may not write mappings."""
    owners = [uuid4(), uuid4()]
    migrate(database_url)
    with connect(database_url) as database:
        database.execute("insert into auth.users (id) values (%s), (%s)", owners)
        database.execute("create role botlive_test_writer")
        try:
            database.execute(
                "grant insert, update, select on public.company_rag_configs to botlive_test_writer"
            )
            database.execute("alter table public.company_rag_configs disable row level security")
            database.execute("set role botlive_test_writer")
            database.execute("insert into public.company_rag_configs (company_id) values ('new-shop')")
            database.execute("update public.company_rag_configs set user_id = %s", owners[:1])
            database.execute("update public.company_rag_configs set user_id = %s", owners[1:])
        finally:
            database.execute("reset role")
            database.execute("drop owned by botlive_test_writer")
            database.execute("drop role botlive_test_writer")
        mapped = database.execute("select company_id, user_id from public.company_mapping").fetchall()
    assert mapped == [{"company_id": "new-shop", "user_id": owners[1]}]


def test_the_customers_write_never_fails_for_the_mapping(database_url: str) -> None:
    """If a check forbids new companies, a config is still inserted, and the shop is listed as not mapped."""
    migrate(database_url)
    with connect(database_url) as database:
        database.execute("alter table public.companies add constraint closed check (false)")
        database.execute("insert into public.company_rag_configs (company_id) values ('new-shop')")
        listed = database.execute("select public.botlive_company_list() as companies").fetchone()
    assert listed
    assert [(company["company_id"], company["uuid"]) for company in listed["companies"]] == [
        ("new-shop", None)
    ]


def test_a_missing_conversation_costs_no_event(database_url: str) -> None:
    """Where conversation_id has a foreign key, a missing row nulls the column; the id stays in metadata."""
    with connect(database_url) as database:
        database.execute(FIELD.encode())
        migrate(database_url)
        known = database.execute("select id from public.conversations").fetchone()
        assert known
        there, missing = known["id"], uuid4()
        events = [
            order("text-id-shop", conversation_id=there),
            order("text-id-shop", conversation_id=missing),
        ]
        assert [said["outcome"] for said in persist(database, *events)] == ["persisted", "persisted"]
        for table in ("orders", "activities"):
            query = f"""select conversation_id, metadata ->> 'conversation_id' as kept
                        from public.{table} where id = %s"""
            assert [database.execute(query.encode(), [event.event_id]).fetchone() for event in events] == [
                {"conversation_id": there, "kept": str(there) if table == "activities" else None},
                {"conversation_id": None, "kept": str(missing)},
            ]


@pytest.mark.slow
@pytest.mark.parametrize(
    "rule",
    [
        "alter table public.orders add check (total_amount < 1000000)",
        "alter table public.activities add check (length(description) < 500)",
        "alter table public.orders alter conversation_id set not null",
    ],
)
def test_an_events_own_fault_fails_alone(database_url: str, rule: str) -> None:
    """A check or not-null on a value that the event carries refuses it and lets its neighbours through."""
    migrate(database_url)
    with connect(database_url) as database:
        database.execute("select botlive.map_company('shop')")
        database.execute(rule.encode())
        conversation = uuid4()
        issue = PaymentIssue(company_id="shop", user_id=PHONE, issue_type="x", message="m" * 600)
        bad = issue if "description" in rule else order("shop", total_amount=5_000_000)
        good = [order("shop", conversation_id=conversation) for _ in range(2)]
        said = persist(database, good[0], bad, good[1])
        rows = database.execute("select count(*) as n from botlive.inbox").fetchone()
    assert [outcome["outcome"] for outcome in said] == ["persisted", "refused", "persisted"]
    assert rows == {"n": 2}


@pytest.mark.slow
@pytest.mark.parametrize(
    "rule",
    [
        "alter table public.activities add check (type in ('message', 'system'))",
        "alter table public.activities add column shift text not null",
        "alter table public.orders add column shift text not null",
        "alter table public.activities add check (status <> 'success')",
        "alter table public.orders add foreign key (company_id) references auth.users (id)",
        """create function public.broken() returns trigger language plpgsql as
           'begin perform 1 / 0; return new; end';
           create trigger broken before insert on public.orders
           for each row execute function public.broken()""",
    ],
)
def test_what_no_event_can_satisfy_is_no_events_fault(database_url: str, rule: str) -> None:
    """A worker that does not support waiting apart gets an error, and nothing is written."""
    migrate(database_url)
    with connect(database_url) as database:
        database.execute("select botlive.map_company('shop')")
        database.execute(rule.encode())
        with pytest.raises(psycopg.Error):
            persist(
                database,
                order("shop"),
                PaymentValidated(company_id="shop", user_id=PHONE, amount=1, reference=""),
            )
        for table in ("botlive.inbox", "public.orders", "public.activities"):
            assert database.execute(f"select from {table}".encode()).fetchall() == []


@pytest.mark.slow
@pytest.mark.parametrize(
    ("change", "made"),
    [
        ("alter table public.orders alter customer_name type varchar(5)", {"customer_name": "Aminata"}),
        ("alter table public.orders alter total_amount type integer using 1", {"total_amount": 0.5}),
        ("alter table public.orders alter total_amount type smallint using 1", {"total_amount": 99_000}),
        ("alter table public.orders alter total_amount type numeric(8,2)", {"total_amount": 10**9}),
        ("alter table public.activities alter title type varchar(20)", {"customer_name": "A" * 20}),
    ],
)
def test_a_value_that_does_not_fit_the_projects_column_is_refused(
    database_url: str, change: str, made: dict[str, Any]
) -> None:
    """It is that event's refusal; its neighbours go through, and no value is quoted."""
    migrate(database_url)
    with connect(database_url) as database:
        database.execute("select botlive.map_company('shop')")
        database.execute(change.encode())
        said = persist(database, order("shop"), order("shop", **made), order("shop"), apart=True)
    assert [one["outcome"] for one in said] == ["persisted", "refused", "persisted"]
    assert re.fullmatch(r"a value does not fit its column \(22...\)", said[1]["reason"])


def test_a_mode_that_the_projects_enum_lacks_is_refused(database_url: str) -> None:
    """The shop takes other toggles, so this one's value is at fault."""
    migrate(database_url)
    with connect(database_url) as database:
        database.execute("select botlive.map_company('shop')")
        database.execute(
            """create type public.bot_mode as enum ('live');
               alter table public.bot_sessions drop constraint bot_sessions_mode_check;
               alter table public.bot_sessions alter mode type public.bot_mode using mode::public.bot_mode"""
        )
        toggles = [
            LiveToggled(company_id="shop", enabled=True, mode="rag"),
            LiveToggled(company_id="shop", enabled=True),
        ]
        said = persist(database, *toggles, apart=True)
    assert [one["outcome"] for one in said] == ["refused", "persisted"]


def test_a_session_that_goes_on_sees_tables_that_were_made_anew(database_url: str) -> None:
    """PostgREST keeps its connections: what they remember of a dropped table must not fail the events."""
    migrate(database_url)
    with connect(database_url) as database:
        database.execute("select botlive.map_company('shop')")
        on, off = (LiveToggled(company_id="shop", enabled=enabled) for enabled in (True, False))
        persist(database, order("shop"), on)
        with connect(database_url) as other:
            other.execute(
                "drop table public.orders, public.activities, public.bot_sessions cascade;"
                "create table public.orders (id uuid primary key, company_id uuid, customer_name varchar(99),"
                " total_amount integer, status text, items json)"
            )
            migrate(database_url)
        said = persist(database, order("shop"), off, apart=True)
    assert [one["outcome"] for one in said] == ["persisted", "persisted"]


def test_companies_with_columns_of_their_own_can_be_added(database_url: str) -> None:
    """Columns that are not null and have no default get a neutral value of their type."""
    migrate(database_url)
    with connect(database_url) as database:
        database.execute("create type public.plan as enum ('free', 'paid')")
        database.execute(
            """alter table public.companies add city text not null, add slug text not null unique,
               add seats int not null, add active boolean not null, add since timestamptz not null,
               add settings jsonb not null, add tags text[] not null, add plan public.plan not null"""
        )
        for shop in ("one", "two"):
            database.execute("select public.botlive_company_add(%s)", [shop])
        said = persist(database, order("one"), LiveToggled(company_id="two", enabled=True))
    assert [outcome["outcome"] for outcome in said] == ["persisted", "persisted"]


POLICIES = {  # on orders, to signed-in users: the policy, and whether it is open to everyone
    "for select using (company_id is not null)": True,
    "for select using (company_id = company_id)": True,
    "for all using (true or company_id = auth.uid())": True,
    "for select using (auth.role() = 'authenticated')": True,
    "for insert with check (1 = 1)": True,
    "for select using (company_id = auth.uid())": False,
    "for update using (company_id = auth.uid()) with check (true)": True,
    "for all using (company_id = auth.uid()) with check (true)": True,
    "for select using (exists (select 1 from public.companies c where c.id = company_id))": False,
    "for delete using (status = 'cancelled' and company_id = auth.uid())": False,
}


@pytest.mark.slow
@pytest.mark.parametrize(("policy", "is_open"), POLICIES.items())
def test_a_policy_that_is_true_for_everyone_is_replaced(
    database_url: str, policy: str, is_open: bool
) -> None:
    """A policy is evaluated for a stranger and a row of another shop, whatever its text. Others stay."""
    with connect(database_url) as database:
        database.execute(FIELD.encode())
        command, condition = re.split(" (?=using|with)", policy, maxsplit=1)
        database.execute(
            f"create policy probe on public.orders {command} to authenticated {condition}".encode()
        )
        migrate(database_url)
        left = database.execute("select from pg_policies where policyname = 'probe'").fetchall()
    assert (left == []) is is_open


def test_a_mapping_to_no_company_costs_only_its_own_events(database_url: str) -> None:
    """Its events are those of an unknown company; the others and the probe go through."""
    migrate(database_url)
    with connect(database_url) as database:
        database.execute("select botlive.map_company('shop')")
        database.execute("alter table public.company_mapping drop constraint company_mapping_uuid_fkey")
        database.execute(
            "insert into public.company_mapping (uuid, company_id) values (gen_random_uuid(), 'a stray')"
        )
        said = persist(database, order("a stray"), order("shop"))
        database.execute("select public.botlive_probe()")
    assert [outcome["outcome"] for outcome in said] == ["unknown_company", "persisted"]


def test_the_probe_passes_where_only_shops_have_trouble(database_url: str) -> None:
    """The probe checks the connection to the database, not the tables of a shop, and leaves no data."""
    migrate(database_url)
    with connect(database_url) as database:
        database.execute("select botlive.map_company('shop')")
        database.execute("alter table public.orders alter conversation_id set not null")
        database.execute("alter table public.activities add check (type <> 'order')")
        database.execute("select public.botlive_probe()")
        assert database.execute("select from public.activities").fetchall() == []


@pytest.mark.slow
@pytest.mark.parametrize(
    ("harm", "sqlstate"),
    [
        ("alter table botlive.inbox rename to gone", "42P01"),
        ("revoke insert on botlive.inbox from service_role", "42501"),
        ("alter table botlive.inbox add check (false)", "23514"),
    ],
)
def test_a_fault_of_our_own_tables_ends_the_call(database_url: str, harm: str, sqlstate: str) -> None:
    """It is no shop's: no event waits apart for it, and the probe fails alike."""
    migrate(database_url)
    with connect(database_url) as database:
        database.execute("select botlive.map_company('shop')")
        database.execute(harm.encode())
        for call in (lambda: persist(database, order("shop"), apart=True), lambda: probe(database)):
            with pytest.raises(psycopg.Error) as failure:
                call()
            assert failure.value.sqlstate == sqlstate


def test_an_events_id_that_is_another_companys_row_is_not_passed_over(database_url: str) -> None:
    """It fails, whole, instead of half; the other company's row stays."""
    migrate(database_url)
    with connect(database_url) as database:
        for shop in ("shop", "other"):
            database.execute("select botlive.map_company(%s)", [shop])
        first = order("other")
        persist(database, first)
        database.execute("delete from botlive.inbox")
        with pytest.raises(psycopg.errors.UniqueViolation):
            persist(database, order("shop", event_id=first.event_id))
        on = LiveToggled(company_id="shop", enabled=True)
        database.execute(
            """insert into public.bot_sessions (id, company_id, mode)
               select %s, uuid, 'live' from public.company_mapping where company_id = 'other'""",
            [on.event_id],
        )
        with pytest.raises(psycopg.errors.UniqueViolation):
            persist(database, on)
        kept = database.execute("select count(*) as n from public.bot_sessions").fetchone()
    assert kept == {"n": 1}


def test_a_deferred_constraint_cannot_fail_the_customers_commit(database_url: str) -> None:
    """Deferred constraints are checked at once, because an error at commit cannot be caught."""
    migrate(database_url)
    with connect(database_url) as database:
        database.execute("create table public.plans (id uuid primary key)")
        database.execute(
            """alter table public.companies add plan uuid not null default gen_random_uuid()
               references public.plans (id) deferrable initially deferred"""
        )
        with database.transaction():
            database.execute("insert into public.company_rag_configs (company_id) values ('new-shop')")
        assert database.execute("select from public.company_rag_configs").fetchall()
        assert database.execute("select from public.company_mapping").fetchall() == []


def test_a_mapping_of_the_first_integration_is_completed(database_url: str) -> None:
    """Columns are added, a null owner is filled in, a UUID of no company points to the right one."""
    owner, known = uuid4(), uuid4()
    with connect(database_url) as database:
        database.execute("insert into auth.users (id) values (%s)", [owner])
        database.execute(
            """create table public.companies (id uuid primary key, name text);
               create table public.company_rag_configs (company_id text primary key, user_id uuid);
               create table public.company_mapping (uuid uuid primary key, company_id text unique not null)"""
        )
        database.execute("insert into public.companies (id) values (%s)", [known])
        database.execute("insert into public.company_rag_configs values (%s, %s)", [str(known), owner])
        database.execute("insert into public.company_mapping values (gen_random_uuid(), %s)", [str(known)])
        migrate(database_url)
        mapped = database.execute("select uuid, company_id, user_id from public.company_mapping").fetchall()
        companies = database.execute("select id from public.companies").fetchall()
    assert mapped == [{"uuid": known, "company_id": str(known), "user_id": owner}]
    assert companies == [{"id": known}]


def test_an_owner_is_given_to_a_company_that_needs_one(database_url: str) -> None:
    """Where companies has a user_id of its own that must not be null, it gets the owner."""
    migrate(database_url)
    owner = uuid4()
    with connect(database_url) as database:
        database.execute("insert into auth.users (id) values (%s)", [owner])
        database.execute("alter table public.companies add user_id uuid not null references auth.users (id)")
        database.execute("select public.botlive_company_add('shop', owner => %s)", [owner])
        assert database.execute("select user_id from public.companies").fetchall() == [{"user_id": owner}]


@pytest.mark.slow
def test_migrating_amid_the_workers_traffic(database_url: str) -> None:
    """All files can be applied again while four workers write, and no event is lost."""
    migrate(database_url)
    stop = threading.Event()
    persisted: list[UUID] = []

    def work() -> None:
        with connect(database_url) as database:
            while not stop.is_set():
                events: list[AnyEvent] = [order("shop"), LiveToggled(company_id="shop", enabled=True)]
                try:
                    persist(database, *events)
                except (psycopg.errors.DeadlockDetected, psycopg.errors.LockNotAvailable):
                    continue  # the worker's own business: it gives back and tries again
                persisted.extend(event.event_id for event in events)

    with connect(database_url) as database:
        database.execute("select botlive.map_company('shop')")
        with ThreadPoolExecutor(4) as pool:
            workers = [pool.submit(work) for _ in range(4)]
            for _ in range(3):
                database.execute("delete from botlive.migrations")
                migrate(database_url)
            stop.set()
            for worker in workers:
                worker.result()
        found = database.execute("select id from public.activities").fetchall()
    assert {row["id"] for row in found} == set(persisted)
