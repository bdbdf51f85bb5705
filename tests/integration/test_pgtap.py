"""The files for `supabase test db` hold on a migrated database, and see what is open.

pgTAP is not on the embedded PostgreSQL: ``pgtap.sql`` stands in for the part that they use.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from operations.migrations import bundled, migrate

FILES = sorted(Path("tests/pgtap").glob("*.sql"))
MUTATIONS = {
    "botlive_1_shape": [
        "grant select on botlive.inbox to authenticated",
        "grant execute on function botlive.map_company to anon",
        "alter table public.activities disable row level security",
        "drop policy botlive_owner_select on public.companies",
        "alter function botlive.keep_facts set search_path = ''",
        "alter table public.orders add shift text not null",
    ],
    "botlive_2_owners": [
        "create policy everyone on public.orders to authenticated using (true)",
        "drop policy botlive_owner_update on public.orders",
        "grant select on public.companies to anon",
        "alter function public.botlive_company_list security definer;"
        "grant execute on function public.botlive_company_list to anon",
        "create policy m on public.company_mapping to authenticated using ("
        "(select auth.jwt() -> 'user_metadata' ->> 'role') = 'service_role')",
    ],
    "botlive_3_once": [
        "revoke insert on public.orders from service_role",
        "drop table public.activities cascade",
        "revoke execute on function public.botlive_probe from service_role",
    ],
}


@pytest.fixture(scope="module")
def database(module_database_url: str) -> Iterator[psycopg.Connection[Any]]:
    """Migrated, with the stand-in."""
    migrate(module_database_url)
    with psycopg.connect(module_database_url, autocommit=True) as connection:
        connection.execute(Path(__file__).with_name("pgtap.sql").read_bytes())
        yield connection


def said(database: psycopg.Connection[Any], path: Path, mutation: str = "") -> list[str]:
    """The lines of TAP, as pg_prove reads them; a statement that fails is one that begins with ``not ok``."""
    lines: list[str] = []
    start, _, rest = path.read_text(encoding="utf-8").partition("begin;")
    cursor = database.cursor()
    try:
        cursor.execute(f"{start}begin;{mutation};alter sequence tap_number restart;{rest}".encode())
        while True:
            lines += [str(row[0]) for row in cursor.fetchall()] if cursor.description else []
            if not cursor.nextset():
                return lines
    except psycopg.Error as error:
        database.execute("rollback")
        return [*lines, f"not ok: {error}"]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_file_passes_and_sees_mutations(path: Path, database: psycopg.Connection[Any]) -> None:
    """All planned tests run and pass; each mutation makes one fail."""
    lines = said(database, path)
    assert [line for line in lines if line.startswith("not ok")] == []
    passed = [line for line in lines if line.startswith("ok")]
    assert f"1..{len(passed)}" == lines[0]
    for mutation in MUTATIONS[path.stem]:
        assert [line for line in said(database, path, mutation) if line.startswith("not ok")], mutation
    assert said(database, path) == lines


def test_they_are_no_migrations() -> None:
    """None of these files has the name of a migration."""
    assert len(FILES) == len(MUTATIONS)
    assert not {path.stem for path in FILES} & {migration.name for migration in bundled()}
