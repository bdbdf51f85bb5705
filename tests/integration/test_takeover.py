"""Nobody gets at another's shop by what he writes into a config, nor at our functions by what he makes."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from uuid import UUID

import psycopg
import pytest
from psycopg.rows import dict_row
from psycopg.types.json import Jsonb

from tests.integration.line import order
from worker.gateway import element
from worker.migrations import migrate

Database = psycopg.Connection[dict[str, Any]]
ME, VICTIM = UUID(int=0xA), UUID(int=0xB)
THEIRS, NOBODYS = UUID(int=0xABCDEF), UUID(int=0xFEDCBA)  # rows of companies
_PROJECT = f"""
create table public.companies (id uuid primary key, name text, owner_id uuid);
insert into public.companies values ('{THEIRS}', 'theirs', '{VICTIM}'), ('{NOBODYS}', 'nobody''s', null);
insert into auth.users (id) values ('{ME}'), ('{VICTIM}');
create table public.company_rag_configs (
  company_id text primary key, company_name text, ai_name text, user_id uuid);
alter table public.company_rag_configs enable row level security;
create policy own on public.company_rag_configs to authenticated
  using (user_id is null or user_id = auth.uid()) with check (user_id = auth.uid());
grant all on public.company_rag_configs to authenticated;
"""


@pytest.fixture(scope="module")
def project(module_database_url: str) -> Iterator[Database]:
    """A project where people write their own configs, and where companies names some of the owners."""
    with psycopg.connect(module_database_url, autocommit=True, row_factory=dict_row) as database:
        database.execute(_PROJECT.encode())
        migrate(module_database_url)
        database.execute("select public.botlive_company_add('mapped', owner => %s)", [VICTIM])
        database.execute("select public.botlive_company_add('ownerless')")
        yield database


@pytest.fixture
def database(project: Database) -> Iterator[Database]:
    """The project, as it was after each test."""
    with project.transaction(force_rollback=True):
        yield project


@contextmanager
def acting(database: Database, user: UUID | None) -> Iterator[None]:
    """As a signed-in user, or as the worker."""
    role = "authenticated" if user else "service_role"
    claims = Jsonb({"role": role, "sub": user and str(user)})
    database.execute("select set_config('request.jwt.claims', %s::pg_catalog.text, true)", [claims])
    database.execute(f"set local role {role}".encode())
    yield
    database.execute("reset role")


def add(database: Database, text_id: str, owner: UUID | None, by: UUID | None = ME) -> None:
    """A config, written by a person, or by the worker."""
    with acting(database, by):
        database.execute(
            "insert into public.company_rag_configs (company_id, user_id) values (%s, %s)", [text_id, owner]
        )


def change(database: Database, text_id: str, new: str, by: UUID | None = ME) -> None:
    """Another config of the same row."""
    with acting(database, by):
        done = database.execute(
            f"update public.company_rag_configs set {new} where company_id = %s".encode(), [text_id]
        )
    assert done.rowcount == 1


def complete(database: Database) -> None:
    """What `botlive migrate` does for configs that are not mapped."""
    database.execute("select botlive.complete_mapping()")


def owners(database: Database) -> dict[str, UUID | None]:
    """Whose the victim's shops are."""
    rows = database.execute(
        "select company_id, user_id, uuid from public.company_mapping order by company_id"
    ).fetchall()
    named = {THEIRS: "theirs", NOBODYS: "nobody's"}
    return {named.get(row["uuid"], row["company_id"]): row["user_id"] for row in rows}


def renamed(to: str) -> Callable[[Database], None]:
    """A config of one's own that gets the id of another's later."""

    def attack(database: Database) -> None:
        add(database, "mine", ME)
        change(database, "mine", f"company_id = '{to}'")

    return attack


def claimed(text_id: str) -> Callable[[Database], None]:
    """A config that is nobody's and that one makes one's own."""

    def attack(database: Database) -> None:
        add(database, text_id, None, by=None)
        change(database, text_id, f"user_id = '{ME}'")

    return attack


TEXT = str(THEIRS)
ATTACKS: dict[str, Callable[[Database], None]] = {
    "the uuid": lambda database: add(database, TEXT, ME),
    "upper case": lambda database: add(database, TEXT.upper(), ME),
    "mixed case": lambda database: add(database, TEXT.replace("ab", "aB"), ME),
    "braces": lambda database: add(database, f"{{{TEXT}}}", ME),
    "no hyphens": lambda database: add(database, THEIRS.hex, ME),
    "urn": lambda database: add(database, THEIRS.urn, ME),
    "a blank": lambda database: add(database, f" {TEXT}", ME),
    "a line break": lambda database: add(database, f"{TEXT}\n", ME),
    "a company that names nobody": lambda database: add(database, str(NOBODYS), ME),
    "a text id that is mapped": lambda database: add(database, "mapped", ME),
    "a text id without an owner": lambda database: add(database, "ownerless", ME),
    "renamed to the uuid": renamed(TEXT),
    "renamed to the uuid in upper case": renamed(TEXT.upper()),
    "renamed to a company that names nobody": renamed(str(NOBODYS)),
    "renamed to what is mapped": renamed("mapped"),
    "renamed to what has no owner": renamed("ownerless"),
    "claimed": claimed(TEXT),
    "disagreeing, by the worker's key": lambda database: add(database, TEXT, ME, by=None),
}


@pytest.mark.parametrize("attack", ATTACKS.values(), ids=ATTACKS)
def test_a_config_gets_nobody_anothers_shop(attack: Callable[[Database], None], database: Database) -> None:
    """However the id is written, at once or later: the victim's shops are not mine, nor after `migrate`."""
    attack(database)
    complete(database)
    found = owners(database)
    assert [found.get(shop) for shop in ("theirs", "nobody's", "ownerless")] == [None, None, None]
    assert found["mapped"] == VICTIM


def test_owners_that_agree_are_mapped(database: Database) -> None:
    """The control: the owner that companies names, the worker where it names nobody, and a new shop of one's own."""
    add(database, str(NOBODYS), ME, by=None)
    add(database, TEXT.upper(), ME)
    add(database, TEXT, VICTIM, by=VICTIM)
    add(database, "mine", ME)
    found = owners(database)
    assert (found["theirs"], found["nobody's"], found["mine"]) == (VICTIM, ME, ME)
    mapped = database.execute(
        "select company_id from public.company_mapping where uuid = %s", [THEIRS]
    ).fetchall()
    assert mapped == [{"company_id": TEXT}]
    change(database, "mine", f"user_id = '{VICTIM}'", by=None)
    assert owners(database)["mine"] == VICTIM


def test_a_config_that_is_nobodys_is_claimed_by_the_owner(database: Database) -> None:
    """The company's owner may take it; it was mapped before and belonged to nobody."""
    add(database, TEXT, None, by=None)
    assert owners(database)["theirs"] is None
    change(database, TEXT, f"user_id = '{VICTIM}'", by=VICTIM)
    assert owners(database)["theirs"] == VICTIM


@pytest.mark.parametrize("people_write", [True, False])
def test_what_was_planted_before_us_is_judged_too(people_write: bool, database: Database) -> None:
    """Configs from before the trigger: where people could write them, a company that names nobody is not given."""
    database.execute("alter table public.company_rag_configs disable trigger all")
    if not people_write:
        database.execute("revoke all on public.company_rag_configs from authenticated, anon, public")
    for text_id in (TEXT, str(NOBODYS), "mine"):
        database.execute(
            "insert into public.company_rag_configs (company_id, user_id) values (%s, %s)", [text_id, ME]
        )
    complete(database)
    found = owners(database)
    assert found["mine"] == ME
    assert "theirs" not in found
    assert found.get("nobody's") == (None if people_write else ME)


_SHADOWED = "uuid text jsonb json name oid regclass regtype regprocedure timestamptz bool int4 int8 numeric".split()
_VIEWS = "pg_class pg_type pg_constraint pg_proc pg_index pg_enum pg_roles".split()
_SEIZE = b"""
create temp table caught (who pg_catalog.name, what pg_catalog.text);
grant insert on caught to public;
create function pg_temp.seize(what pg_catalog.text) returns pg_catalog.bool language plpgsql as
  'begin insert into pg_temp.caught values (current_user, what); return true; end';
"""


def shadow(database: Database) -> None:
    """Types and relations of one's own under PostgreSQL's names, which write down who uses them."""
    with acting(database, ME):
        database.execute(_SEIZE)
        for name in _SHADOWED:
            database.execute(
                f"create domain pg_temp.{name} as pg_catalog.{name} check (pg_temp.seize('{name}'))".encode()
            )
        for name in _VIEWS:
            database.execute(
                f"create temp view {name} as select r.* from pg_catalog.{name} r where pg_temp.seize('{name}')".encode()
            )
        database.execute("grant select on all tables in schema pg_temp to public")


def caught(database: Database) -> set[str]:
    """The roles other than the attacker's own that used them."""
    rows = database.execute("select who, what from pg_temp.caught where who <> 'authenticated'").fetchall()
    return {row["who"] for row in rows}


def fire(database: Database) -> None:
    """What a signed-in user's writes run with their owner's rights: each trigger of ours."""
    database.execute("grant all on public.orders to authenticated")
    database.execute("create policy other on public.orders to authenticated using (customer_name = 'Awa')")
    sold = order("mapped", customer_name="Awa")
    database.execute("select public.botlive_persist(%s)", [Jsonb([element(sold)])])
    shadow(database)
    add(database, "mine", ME)
    add(database, TEXT, ME)
    change(database, "mine", "company_id = 'ours'")
    with acting(database, ME):
        database.execute("update public.orders set customer_name = 'Awa', total_amount = total_amount")


def serve(database: Database) -> None:
    """What the worker's role calls in the session that was an attacker's before, as PostgREST's are."""
    shadow(database)
    with acting(database, None):
        for call in (
            "select public.botlive_company_add('by the worker')",
            "select public.botlive_company_link('by the worker')",
            "select public.botlive_company_list()",
            "select public.botlive_read_activities('mapped')",
            "select public.botlive_read_orders('mapped')",
            "select public.botlive_read_session('mapped')",
            "select public.botlive_persisted('{}')",
            "select public.botlive_admits('[]')",
            "select public.botlive_probe()",
        ):
            database.execute(call.encode())
        database.execute("select public.botlive_persist(%s)", [Jsonb([element(order("mapped"))])])


@pytest.mark.parametrize("attack", [fire, serve])
@pytest.mark.parametrize("safe", [True, False], ids=["safe", "control"])
def test_a_callers_temporary_objects_are_not_looked_up(
    attack: Callable[[Database], None], safe: bool, database: Database
) -> None:
    """By no function of ours. The control: with an empty search path, as it was, they are."""
    if not safe:
        for name in names(database):
            database.execute(f"alter function {name} set search_path = ''".encode())
    attack(database)
    assert bool(caught(database)) is not safe


def names(database: Database, where: str = "true") -> list[str]:
    """Our functions."""
    rows = database.execute(
        f"""select p.oid::regprocedure::text as name from pg_proc p
            where (pronamespace = 'botlive'::regnamespace
              or pronamespace = 'public'::regnamespace and proname like 'botlive\\_%') and {where}""".encode()
    ).fetchall()
    return [row["name"] for row in rows]


def test_every_function_of_ours_looks_into_temporary_schemas_last(database: Database) -> None:
    """A function that a later migration makes must say so too: ``set search_path = pg_catalog, pg_temp``."""
    safe = "coalesce('search_path=pg_catalog, pg_temp' = any (proconfig), false)"
    assert names(database, f"not {safe}") == []
    definers = names(database, "prosecdef")
    assert {"botlive.keep_mapping()", "botlive.keep_facts()"} <= set(definers)
    assert [name for name in definers if not name.startswith(("botlive.", "public.botlive_", "botlive_"))] == []


def test_operators_that_people_make_are_not_used(database: Database) -> None:
    """On a server that lets everyone create in public (PostgreSQL 14), and with ids of another type of text."""
    database.execute("alter table public.company_mapping alter company_id type varchar")
    database.execute("grant create on schema public to authenticated")
    with acting(database, ME):
        database.execute(_SEIZE)
        for left, right, name in (("varchar", "text", "="), ("oid", "regclass", "="), ("uuid", "text", "=")):
            database.execute(
                f"""create function public.alike({left}, {right}) returns bool language sql as
                    'select pg_temp.seize(''operator'')';
                    create operator public.{name} (leftarg = {left}, rightarg = {right}, function = public.alike)
                """.encode()
            )
    add(database, "mine", ME)
    add(database, TEXT, ME)
    change(database, "mine", "company_id = 'ours'")
    change(database, "ours", f"user_id = '{VICTIM}'", by=None)
    assert caught(database) == set()
