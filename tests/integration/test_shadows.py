"""Nothing that a caller makes himself is taken for PostgreSQL's own by a function of ours."""

from collections.abc import Callable, Iterator

import pytest
from psycopg.types.json import Jsonb

from tests.integration.people import ME, THEIRS, VICTIM, Database, acting, add, change, people
from tests.make import order
from worker.elements import element

pytestmark = pytest.mark.slow

TEXT = str(THEIRS)


@pytest.fixture(scope="module")
def project(module_database_url: str) -> Iterator[Database]:
    """The project, for all tests of the module."""
    with people(module_database_url) as database:
        yield database


@pytest.fixture
def database(project: Database) -> Iterator[Database]:
    """The project, as it was after each test."""
    with project.transaction(force_rollback=True):
        yield project


_SHADOWED = [
    "uuid",
    "text",
    "jsonb",
    "json",
    "name",
    "oid",
    "regclass",
    "regtype",
    "regprocedure",
    "timestamptz",
    "bool",
    "int4",
    "int8",
    "numeric",
]
_VIEWS = ["pg_class", "pg_type", "pg_constraint", "pg_proc", "pg_index", "pg_enum", "pg_roles"]
_SEIZE = b"""
create temp table caught (who pg_catalog.name, what pg_catalog.text);
grant insert on caught to public;
create function pg_temp.seize(what pg_catalog.text) returns pg_catalog.bool language plpgsql as
  'begin insert into pg_temp.caught values (current_user, what); return true; end';
"""


def shadow(database: Database) -> None:
    """Create types and relations with names of PostgreSQL that record who uses them."""
    with acting(database, ME):
        database.execute(_SEIZE)
        for name in _SHADOWED:
            database.execute(
                f"create domain pg_temp.{name} as pg_catalog.{name} check (pg_temp.seize('{name}'))".encode()
            )
        for name in _VIEWS:
            database.execute(
                f"""create temp view {name} as
                    select r.* from pg_catalog.{name} r where pg_temp.seize('{name}')""".encode()
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
    """No function of ours uses them. The control: with an empty search path they are used."""
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
    assert [
        name for name in definers if not name.startswith(("botlive.", "public.botlive_", "botlive_"))
    ] == []


def test_operators_that_people_make_are_not_used(database: Database) -> None:
    """On a server that lets everyone create in public (PostgreSQL 14), and with ids of another text type."""
    database.execute("alter table public.company_mapping alter company_id type varchar")
    database.execute("grant create on schema public to authenticated")
    with acting(database, ME):
        database.execute(_SEIZE)
        for left, right, name in (("varchar", "text", "="), ("oid", "regclass", "="), ("uuid", "text", "=")):
            database.execute(
                f"""create function public.alike({left}, {right}) returns bool language sql as
                    'select pg_temp.seize(''operator'')';
                    create operator public.{name} (
                      leftarg = {left}, rightarg = {right}, function = public.alike)
                """.encode()
            )
    add(database, "mine", ME)
    add(database, TEXT, ME)
    change(database, "mine", "company_id = 'ours'")
    change(database, "ours", f"user_id = '{VICTIM}'", by=None)
    assert caught(database) == set()
