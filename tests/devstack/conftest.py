"""A stack with the stand-in for PostgREST, and with tables and functions for the tests of this folder."""

from collections.abc import Iterator
from uuid import UUID, uuid4

import httpx
import psycopg
import pytest

from devstack import postgrest
from devstack.stack import Stack

SCHEMA = """
create table public.notes (
  id bigint generated always as identity primary key,
  owner uuid not null default auth.uid(),
  title text not null check (title <> 'forbidden'),
  amount numeric,
  metadata jsonb,
  created_at timestamptz not null default now()
);
alter table public.notes enable row level security;
create policy "owners see theirs" on public.notes for select to authenticated
  using (owner = (select auth.uid()));
create policy "owners add theirs" on public.notes for insert to authenticated
  with check (owner = (select auth.uid()));
create policy "owners change theirs" on public.notes for update to authenticated
  using (owner = (select auth.uid()));
create policy "owners delete theirs" on public.notes for delete to authenticated
  using (owner = (select auth.uid()));
grant select, insert, update, delete on public.notes to authenticated, service_role;

create table public.ungranted (id integer);

create function public.whoami() returns json language sql stable as $$
  select json_build_object(
    'role', current_user, 'uid', auth.uid(), 'jwt_role', auth.jwt() ->> 'role',
    'method', current_setting('request.method'), 'path', current_setting('request.path'),
    'header', current_setting('request.headers')::json ->> 'x-probe'
  )
$$;
create function public.add(a integer, b integer default 10) returns integer language sql immutable
  as 'select a + b';
create function public.twin(a integer) returns text language sql immutable as $$ select 'integer' $$;
create function public.twin(a text) returns text language sql immutable as $$ select 'text' $$;
create function public.echo(payload jsonb) returns jsonb language sql immutable as 'select payload';
create function public.nothing() returns void language sql as 'select';
create function public.ids(ids uuid[]) returns integer language sql stable
  as 'select cardinality(ids)';
create function public.series(n integer) returns setof integer language sql stable
  as 'select generate_series(1, n)';
create function public.any_number(variadic n integer[]) returns integer language sql stable
  as 'select cardinality(n)';
create function public.fails(state text) returns void language plpgsql as $$
  begin raise exception using errcode = state, message = 'as raised', detail = 'why', hint = 'how'; end $$;
create function public.add_note(title text) returns bigint language sql
  as 'insert into public.notes (title) values (title) returning id';
create table public.parents (id integer primary key);
create table public.children (id integer references public.parents deferrable initially deferred);
grant insert on public.children to service_role;
create function public.deferred() returns void language sql
  as 'insert into public.children values (1)';
"""


@pytest.fixture(autouse=True)
def stand_in(monkeypatch: pytest.MonkeyPatch) -> None:
    """Use the stand-in, also on a machine that has a PostgREST."""
    monkeypatch.setenv(postgrest.VARIABLE, "")


@pytest.fixture(scope="session")
def stack() -> Iterator[Stack]:
    """Start a stack without our migrations: these tests are about the stack itself."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(postgrest.VARIABLE, "")
        started = Stack(migrations=False, durable=False)
        started.start()
    try:
        with psycopg.connect(started.postgres.url, autocommit=True) as connection:
            connection.execute(SCHEMA)
        yield started
    finally:
        started.stop()


@pytest.fixture
def owner() -> UUID:
    """Return the id of a new user."""
    return uuid4()


@pytest.fixture
def rest(stack: Stack) -> Iterator[httpx.Client]:
    """Return a client of the gateway without a credential."""
    with httpx.Client(base_url=f"{stack.gateway.url}/rest/v1/", timeout=20) as client:
        yield client


@pytest.fixture
def service(stack: Stack, rest: httpx.Client) -> httpx.Client:
    """Return the same client with the key of the service role."""
    rest.headers["Authorization"] = f"Bearer {stack.environment['SUPABASE_KEY']}"
    return rest


@pytest.fixture
def own(stack: Stack, owner: UUID, rest: httpx.Client) -> httpx.Client:
    """Return the same client as the signed-in owner."""
    rest.headers["Authorization"] = f"Bearer {stack.token(owner)}"
    return rest
