"""Nothing that another login of the database made is run by a function of ours, nor by a migration.

PostgreSQL 14 lets every login make functions and operators in public; a newer one where somebody granted it.
"""

from collections.abc import Iterator

import psycopg
import pytest
from psycopg.types.json import Jsonb

from events import LiveToggled, PaymentValidated
from tests.integration.people import ME, THEIRS, Database, acting, people
from tests.make import order
from worker.elements import element

# A sequence keeps what is rolled back. Who is called may become anyone that the session's login may.
_OUTSIDER = b"""
do $$ begin create role outsider nologin; exception when duplicate_object then null; end $$;
grant usage, create on schema public to outsider;
grant select on public.orders to outsider;
create type public.kind as enum ('a', 'b');
set local role outsider;
create sequence public.called;
grant all on sequence public.called to public;
create function public.seize() returns bool language plpgsql as $$
  begin
    if current_user <> 'outsider' then perform nextval('public.called'); end if;
    return true;
  end $$;
"""


@pytest.fixture(scope="module")
def project(module_database_url: str) -> Iterator[Database]:
    """The project, for all tests of the module."""
    with people(module_database_url) as database:
        yield database


@pytest.fixture
def database(project: Database) -> Iterator[Database]:
    """The project with an outsider in it, as it was after each test."""
    with project.transaction(force_rollback=True):
        project.execute(_OUTSIDER)
        project.execute("reset role")
        yield project


def plant(database: Database, *functions: str) -> None:
    """Functions of the outsider's; each says that it was called."""
    database.execute("set local role outsider")
    for function in functions:
        database.execute(f"create function public.{function}".encode())
    database.execute("reset role")


def built(*types: str) -> str:
    """A closer fit than PostgreSQL's own for these arguments."""
    return (
        f"jsonb_build_object({', '.join(types)}) returns jsonb language sql as "
        "'select ''{}''::jsonb where public.seize()'"
    )


def was_called(database: Database) -> bool:
    """Whether something of the outsider's ran with other rights than the outsider's."""
    row = database.execute("select is_called from public.called").fetchone()
    assert row
    return bool(row["is_called"])


def row_of(table: str) -> list[str]:
    """A closer fit for what makes a table's rows."""
    one = f"(public.{table}, jsonb) returns"
    body = "language sql as 'select $1 where public.seize()'"
    return [
        f"jsonb_populate_record{one} public.{table} {body}",
        f"jsonb_populate_recordset{one} setof public.{table} {body}",
    ]


def test_the_workers_calls_use_postgresqls_own_functions(database: Database) -> None:
    """Where the arguments of planted ones fit better than those of PostgreSQL's."""
    texts, uuids = ["text", "text"], ["text", "uuid"]
    plant(
        database,
        built(*uuids),
        built(*uuids, *uuids),
        built(*uuids, *texts),
        built(*uuids, *uuids, *texts),
        built(*uuids, *uuids, *texts, *texts, *texts),
        built("text", "text", *uuids),
        built("text", "text", "text", "jsonb"),
        built("text", "jsonb"),
        *(each for table in ("orders", "activities", "bot_sessions") for each in row_of(table)),
    )
    with acting(database, None):
        for event in (
            order("mapped"),
            PaymentValidated(company_id="mapped", user_id="customer-1", amount=1000, reference=""),
            LiveToggled(company_id="mapped", enabled=True),
            LiveToggled(company_id="mapped", enabled=False),
        ):
            answer = database.execute("select public.botlive_persist(%s) as said", [Jsonb([element(event)])])
            assert answer.fetchone() == {"said": [{"outcome": "persisted"} | _written(event.type)]}
    assert not was_called(database)


def _written(kind: str) -> dict[str, bool]:
    return {"session_written": kind == "live_toggled"}


def test_the_mapping_is_completed_by_postgresqls_own_functions(database: Database) -> None:
    """The trigger calls only functions of PostgreSQL, although it has the rights of the migrating user."""
    plant(
        database,
        "format(text, text, text, text) returns text language sql as 'select $1 where public.seize()'",
    )
    with acting(database, ME):
        database.execute(
            "insert into public.company_rag_configs (company_id, user_id) values (%s, %s)", [str(THEIRS), ME]
        )
    database.execute("select botlive.complete_mapping()")
    assert not was_called(database)


def test_strangers_views_are_named_and_not_read(database: Database) -> None:
    """A view of another login is named and not read, because it runs with the rights of the reader."""
    database.execute("grant select on public.orders to authenticated")
    database.execute("select public.botlive_persist(%s)", [Jsonb([element(order("mapped"))])])
    database.execute("set local role outsider")
    database.execute("create view public.peeking as select public.seize(), count(*) from public.orders")
    database.execute("grant select on public.peeking to authenticated")
    database.execute("reset role")
    database.execute("create view public.above as select p.count from public.peeking p where p.seize")
    database.execute("grant select on public.above to authenticated")
    found = database.execute("select words from botlive.views_to_name()").fetchall()
    said = [row["words"] for row in found]
    assert len(said) == 2
    assert all("it was not read: its owner, or the owner of a view below it" in words for words in said)
    assert not was_called(database)


LIKE = "format(text, text) returns text language sql as 'select $1 where public.seize()'"


def test_what_may_be_taken_for_postgresqls_own_is_named_and_stops_a_migration(database: Database) -> None:
    """A policy's condition is evaluated under the API's search path: no policy is, while one is there."""
    condition = "format('%s', customer_name) = 'Awa'"
    database.execute(f"create policy called on public.orders to authenticated using ({condition})".encode())
    plant(database, LIKE)
    found = database.execute("select blocks, words from botlive.findings()").fetchall()
    assert [row["blocks"] for row in found] == [True]
    words = found[0]["words"]
    assert "function public.format(text,text) of the role outsider" in words
    assert "cure: drop function public.format(text,text);" in words
    (drifted,) = database.execute("select words from botlive.drift()").fetchall()
    assert "function public.format(text,text) of the role outsider" in drifted["words"]
    with pytest.raises(psycopg.Error, match="nothing was done"), database.transaction():
        database.execute("select botlive.bring_up()")
    assert not was_called(database)
    database.execute("drop function public.format(text, text)")
    database.execute("select botlive.bring_up()")


def test_an_operator_may_be_taken_for_postgresqls_own_too(database: Database) -> None:
    """One for a type of the project's is called before the one for all types."""
    database.execute("set local role outsider")
    database.execute(
        "create function public.alike(public.kind, public.kind) returns bool language sql as 'select true'"
    )
    database.execute(
        "create operator public.= (leftarg = public.kind, rightarg = public.kind, function = public.alike)"
    )
    database.execute("reset role")
    found = database.execute("select words, cure from botlive.look_alikes()").fetchall()
    assert len(found) == 1
    assert "operator public.=(public.kind,public.kind)" in found[0]["words"].replace('"', "")


def test_what_belongs_to_those_who_are_trusted_anyway_is_no_look_alike(database: Database) -> None:
    """Functions of the tables' owner and of superusers are not reported."""
    plant(database, LIKE)
    database.execute(b"alter table public.orders owner to outsider")
    assert database.execute("select from botlive.look_alikes()").rowcount == 0
    database.execute(b"alter table public.orders owner to current_user")
    assert database.execute("select from botlive.look_alikes()").rowcount == 1
    database.execute(b"alter function public.format(text, text) owner to current_user")
    assert database.execute("select from botlive.look_alikes()").rowcount == 0
