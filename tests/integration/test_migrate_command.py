"""``botlive migrate``, against an embedded PostgreSQL: once each, in order, by two at once too."""

import re
import threading
from collections.abc import Callable

import psycopg
import pytest

from operations import migrations
from operations.errors import MigrationFailed
from operations.migrations import Migration, migrate

Bundle = Callable[..., None]


@pytest.fixture
def bundle(monkeypatch: pytest.MonkeyPatch) -> Bundle:
    """Replaces the migrations that are carried."""

    def carry(**files: str) -> None:
        carried = [Migration(name.removeprefix("v"), sql.encode()) for name, sql in files.items()]
        monkeypatch.setattr(migrations, "bundled", lambda: carried)

    return carry


def _all(database_url: str, query: bytes) -> list[tuple[object, ...]]:
    with psycopg.connect(database_url) as connection:
        return connection.execute(query).fetchall()


_A = "create table if not exists a (n int); insert into a values (1);"
_B = "insert into a values (2);"


def test_the_bundle_is_in_order() -> None:
    """The table files by their time stamps, each with one of its own, then the functions."""
    *tables, functions = [migration.name for migration in migrations.bundled()]
    assert tables == sorted(tables)
    assert tables
    assert all(re.fullmatch(r"\d{14}_[a-z0-9_]+", name) for name in tables)
    assert len({migration.version for migration in migrations.bundled()}) == len(tables) + 1
    assert functions == "functions"


def test_each_is_applied_once(database_url: str, bundle: Bundle) -> None:
    """A second run finds them recorded and leaves them alone."""
    bundle(v1_a=_A, v2_b=_B)
    assert migrate(database_url) == ["1_a applied", "2_b applied"]
    assert migrate(database_url) == ["1_a already applied", "2_b already applied"]
    assert _all(database_url, b"select n from a") == [(1,), (2,)]
    assert _all(database_url, b"select version, name from botlive.migrations order by 1") == [
        ("1", "1_a"),
        ("2", "2_b"),
    ]


def test_a_new_one_is_applied_alone(database_url: str, bundle: Bundle) -> None:
    """Earlier migrations are not applied again."""
    bundle(v1_a=_A)
    migrate(database_url)
    bundle(v1_a=_A, v2_b=_B)
    assert migrate(database_url) == ["1_a already applied", "2_b applied"]
    assert _all(database_url, b"select n from a") == [(1,), (2,)]


def test_changed_functions_are_applied_again(database_url: str, bundle: Bundle) -> None:
    """Whole, and once for each change."""
    makes = "create or replace function f() returns int language sql as 'select {}';"
    bundle(v1_a=_A, functions=makes.format(1))
    migrate(database_url)
    bundle(v1_a=_A, functions=makes.format(2))
    assert migrate(database_url) == ["1_a already applied", "functions applied again: they have changed"]
    assert _all(database_url, b"select f()") == [(2,)]
    assert migrate(database_url) == ["1_a already applied", "functions already applied"]


def test_a_changed_table_file_is_not_applied_and_is_reported(database_url: str, bundle: Bundle) -> None:
    """It runs once. The line says that the change has no effect."""
    bundle(v1_a=_A)
    migrate(database_url)
    bundle(v1_a=_B)
    assert migrate(database_url) == [
        "1_a already applied with another text: this file has no effect, put the change into a new file"
    ]
    assert _all(database_url, b"select n from a") == [(1,)]


def test_what_a_run_left_undone_is_done_by_the_next(database_url: str, bundle: Bundle) -> None:
    """It failed at the functions: the table files before them stay, and the functions are applied later."""
    bundle(v1_a=_A, functions="select 1/0")
    with pytest.raises(MigrationFailed, match="functions: division by zero"):
        migrate(database_url)
    bundle(v1_a=_A, functions="select 1")
    assert migrate(database_url) == ["1_a already applied", "functions applied"]


def test_a_failing_one_leaves_nothing_and_those_before_it_stay(database_url: str, bundle: Bundle) -> None:
    """A file is one transaction with its record; the error names the file and the reason."""
    bundle(v1_a=_A, v2_bad="insert into a values (2); insert into missing values (3);")
    with pytest.raises(MigrationFailed, match=r'2_bad: relation "missing" does not exist \(42P01\)'):
        migrate(database_url)
    assert _all(database_url, b"select n from a") == [(1,)]
    assert _all(database_url, b"select version from botlive.migrations") == [("1",)]


def test_no_file_is_applied_without_its_record(database_url: str, bundle: Bundle) -> None:
    """Where the record cannot be written, what the file made is gone with it."""
    bundle(v1_t="create table t (); alter table botlive.migrations add check (version <> '1')")
    with pytest.raises(MigrationFailed, match="1_t: "):
        migrate(database_url)
    assert _all(database_url, b"select to_regclass('t')") == [(None,)]


def test_a_refusal_shows_no_personal_data(database_url: str, bundle: Bundle) -> None:
    """PostgreSQL's words may quote a value."""
    bundle(v1_bad="select '+2250700000000'::date")
    with pytest.raises(MigrationFailed) as caught:
        migrate(database_url)
    assert "0700000000" not in str(caught.value)


def test_our_notices_are_among_the_lines(database_url: str, bundle: Bundle) -> None:
    """A migration says what it replaced; PostgreSQL's own chatter stays out."""
    bundle(v1_n="do $$ begin raise notice 'botlive: replaced %', 'p'; raise notice 'other'; end $$;")
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute(
            b"do $$ begin execute format('alter database %I set client_min_messages = error', "
            b"current_database()); end $$"
        )
    assert migrate(database_url) == ["botlive: replaced p", "1_n applied"]


def test_two_at_once(database_url: str, bundle: Bundle) -> None:
    """The second waits, and then finds everything done."""
    bundle(v1_a=_A, v2_slow="select pg_sleep(0.5)", v3_b=_B)
    results: list[list[str]] = []
    runs = [threading.Thread(target=lambda: results.append(migrate(database_url))) for _ in range(3)]
    for run in runs:
        run.start()
    for run in runs:
        run.join()
    assert [line for lines in results for line in lines].count("1_a applied") == 1
    assert sum(line.endswith("already applied") for lines in results for line in lines) == 6
    assert _all(database_url, b"select n from a") == [(1,), (2,)]


def test_a_file_waits_for_the_workers(database_url: str, bundle: Bundle) -> None:
    """The mapping, which each transaction of a worker reads first, is locked before the file begins."""
    bundle(
        v1_a="create table public.company_mapping ()",
        v2_b="""do $$ begin
            raise notice 'botlive: %', (
              select l.mode from pg_locks l
              where l.relation = 'public.company_mapping'::regclass and l.pid = pg_backend_pid());
          end $$""",
    )
    assert "botlive: AccessExclusiveLock" in migrate(database_url)


def test_waiting_has_an_end(database_url: str, bundle: Bundle, monkeypatch: pytest.MonkeyPatch) -> None:
    """If another run hangs, the error says so."""
    monkeypatch.setattr(migrations, "_SETTINGS", b"set local lock_timeout = '50ms'")
    bundle(v1_a=_A)
    with psycopg.connect(database_url) as hanging:
        hanging.execute(migrations._TURN)
        with pytest.raises(MigrationFailed, match="another `botlive migrate`"):
            migrate(database_url)


def test_the_books_are_nobody_elses(database_url: str, bundle: Bundle) -> None:
    """The record is closed to the public, and under row level security."""
    bundle(v1_a=_A)
    migrate(database_url)
    query = b"""
        select relrowsecurity, coalesce(relacl::text, '') ~ '[{,]=',
            has_schema_privilege('public', 'botlive', 'usage')
        from pg_class where oid = 'botlive.migrations'::regclass
    """
    assert _all(database_url, query) == [(True, False, False)]


def test_postgrest_is_told(database_url: str, bundle: Bundle) -> None:
    """PostgREST is notified to reload its schema."""
    bundle(v1_a=_A)
    with psycopg.connect(database_url, autocommit=True) as listening:
        listening.execute(b"listen pgrst")
        migrate(database_url)
        assert [note.payload for note in listening.notifies(timeout=5, stop_after=1)] == ["reload schema"]
