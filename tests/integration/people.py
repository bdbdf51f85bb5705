"""A project where people write their own configs, and where companies names some of the owners."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from uuid import UUID

import psycopg
from psycopg.rows import dict_row
from psycopg.types.json import Jsonb

from operations.migrations import migrate

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


@contextmanager
def people(url: str) -> Iterator[Database]:
    """The project in that database, migrated."""
    with psycopg.connect(url, autocommit=True, row_factory=dict_row) as database:
        database.execute(_PROJECT.encode())
        migrate(url)
        database.execute("select public.botlive_company_add('mapped', owner => %s)", [VICTIM])
        database.execute("select public.botlive_company_add('ownerless')")
        yield database


@contextmanager
def acting(database: Database, user: UUID | None) -> Iterator[None]:
    """Act as a signed-in user, or as the worker."""
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
