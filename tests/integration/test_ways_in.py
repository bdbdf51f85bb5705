"""Views, rules, functions and partitions by which strangers get at rows: named, and closed by the cure."""

from collections.abc import Iterator
from uuid import uuid4

import psycopg
import pytest

from devstack.stack import Stack
from tests.integration.shapes_project import ZOO, shapes_project
from tests.integration.test_zoo import Database, acting
from tests.zoo.releases import has_invokers_views, with_owners_views

pytestmark = pytest.mark.slow

KINDS = ("views", "rules", "partitions", "functions")
NAMED = {
    "views": "plain on_another own_but_written sum_of_all of_a_state with_a_profile raising"
    " kept on_kept api.done",
    "rules": "box instead",
    "partitions": "old_orders",
    "functions": "reads asks_whether_somebody keeps_who standard writes_who logs_who says_so compares_role"
    " through_another through_a_view runs api.removes is_known",
}


@pytest.fixture(scope="module")
def project(stack: Stack) -> Iterator[Database]:
    """A project with every way in."""
    with shapes_project(stack) as database:
        ways = (ZOO / "ways.sql").read_bytes()
        database.execute(ways if has_invokers_views(database) else with_owners_views(ways))
        database.commit()
        yield database


def named(database: Database, kind: str) -> dict[str, str]:
    """Return what is named, and the SQL that closes it."""
    rows = database.execute(f"select words, cure from botlive.{kind}_to_name()".encode()).fetchall()
    return {row["words"]: row["cure"] for row in rows}


@pytest.mark.parametrize("kind", KINDS)
def test_what_lets_strangers_in_is_named_and_nothing_else(project: Database, kind: str) -> None:
    """Each by its name, once; nothing that shows people their own; and its cure leaves nothing to name."""
    project.rollback()
    names = NAMED[kind].split()
    if kind == "views" and not has_invokers_views(project):
        names += ["good_invoker", "instead"]  # they cannot be made good there
    expected = {name if "." in name else f"public.{name}" for name in names}
    found = named(project, kind)
    subjects = {next((word.split("(")[0] for word in words.split() if "." in word), "") for words in found}
    assert subjects == expected, found
    for cure in found.values():
        project.execute(cure.encode())
    assert named(project, kind) == {}
    project.rollback()


def test_the_cure_of_a_view_closes_it_for_reading_and_writing(project: Database) -> None:
    """A stranger reads and writes by the view before, and neither afterwards."""
    if not has_invokers_views(project):
        pytest.skip("its cure there is to revoke all")
    project.rollback()
    stranger = uuid4()
    read = b"select from public.plain"
    write = b"insert into public.own_but_written (company_id) values ('a1111111-0000-4000-8000-000000000001')"
    with acting(project, stranger):
        assert len(project.execute(read).fetchall()) == 2
        assert project.execute(write).rowcount == 1
    for cure in named(project, "views").values():
        project.execute(cure.encode())
    with acting(project, stranger):
        assert project.execute(read).fetchall() == []
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            project.execute(write)
    project.rollback()


def test_asking_leaves_nothing_behind(project: Database) -> None:
    """No row, no role, no claim, no notification; and no lock on a table that would hold a writer up."""
    project.rollback()
    counts = b"""select (select count(*) from public.companies) + (select count(*) from public.orders)
        + (select count(*) from public.activities) + (select count(*) from public.company_mapping)
        + (select count(*) from public.customers) as n"""
    before = project.execute(counts).fetchone()
    project.execute("listen botlive_seen")
    project.execute(
        'create policy "writes" on public.activities for select using (public.writes() and status is null)'
    )
    project.commit()
    for kind in ("policies", *KINDS):
        named(project, kind)
    locks = project.execute(
        """select from pg_locks where pid = pg_backend_pid() and locktype = 'relation'
           and mode not in ('AccessShareLock', 'RowShareLock', 'RowExclusiveLock')"""
    ).rowcount
    settings = project.execute(
        """select current_user = session_user as same, current_setting('request.jwt.claims', true) as claims,
           current_setting('session_replication_role') as role"""
    ).fetchone()
    assert project.execute(counts).fetchone() == before
    project.commit()
    assert list(project.notifies(timeout=0, stop_after=1)) == []
    assert locks == 0
    assert settings in [{"same": True, "claims": claims, "role": "origin"} for claims in (None, "")]
    project.execute('drop policy "writes" on public.activities')
    project.commit()
