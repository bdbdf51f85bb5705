"""The probes see what is open: each mutation of the database makes them fail, and they say where."""

from collections.abc import Iterator

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from devstack.stack import Stack
from tests.contract.conftest import Target, aimed
from tests.probes.run import run

pytestmark = pytest.mark.slow

CHANGED = "the victim's rows are not what they were"
MUTATIONS = {  # what is done to a migrated database, and words of a fault that tells of it
    "a dropped policy": ("drop policy botlive_owner_select on public.orders", "control: owner got no row"),
    "using (true)": ("create policy everyone on public.orders to authenticated using (true)", CHANGED),
    "using (true) for reading": (
        "create policy everyone on public.activities for select to authenticated using (true)",
        "read by ",
    ),
    "for whoever has user_metadata": (
        """create policy everyone on public.activities for select to authenticated
           using (auth.jwt() -> 'user_metadata' ->> 'role' = 'service_role')""",
        "by user_metadata: the answer shows",
    ),
    "a definer function that lists": (
        """alter function public.botlive_company_list() security definer;
           grant execute on function public.botlive_company_list() to authenticated""",
        "the answer shows",
    ),
    "row level security off": ("alter table public.activities disable row level security", "read by "),
    "a plain view": (
        """create view public.all_orders as select * from public.orders;
           grant select on public.all_orders to authenticated, service_role""",
        "/all_orders?",
    ),
    "the mapping is writable": (
        """create policy everyone on public.company_mapping for update to authenticated using (true);
           create policy readers on public.company_mapping for select to authenticated using (true);
           grant update on public.company_mapping to authenticated""",
        CHANGED,
    ),
    "a trigger that keeps owners out": (
        """create function public.no() returns trigger language plpgsql as 'begin return null; end';
           create trigger no before update on public.orders for each row execute function public.no()""",
        "control: ",
    ),
}
PRIVILEGES = {  # what no request shows
    "grant execute on function public.botlive_company_list() to authenticated": (
        "authenticated has EXECUTE on botlive_company_list()"
    ),
    "grant execute on function botlive.map_company to anon": "anon has EXECUTE on botlive.map_company(",
    "grant select on botlive.inbox to authenticated": "authenticated has SELECT on botlive.inbox",
    "grant update (mode) on botlive.toggles to anon": "anon has UPDATE on botlive.toggles",
    "grant usage on schema botlive to anon": "anon has USAGE on schema botlive",
    "grant truncate on public.orders to authenticated": "authenticated has TRUNCATE on orders",
}


@pytest.fixture(scope="module")
def own() -> Iterator[Stack]:
    """A stack whose database a test may change, and a copy of that database."""
    with Stack(durable=False) as stack:
        _copy(stack, "postgres", "untouched")
        yield stack


@pytest.fixture
def target(own: Stack) -> Iterator[Target]:
    """The stack's database as it was migrated."""
    _copy(own, "untouched", "postgres")
    with aimed(own.environment) as made:
        yield made


def _copy(stack: Stack, source: str, name: str) -> None:
    """Make a database anew as a copy of another, while nobody is connected to either."""
    stack.gateway.kill()
    url = make_conninfo(stack.postgres.url, dbname="template1")
    with psycopg.connect(url, autocommit=True) as server:
        server.execute(f"drop database if exists {name} with (force)".encode())
        server.execute(f"create database {name} template {source}".encode())
    stack.gateway.start()


@pytest.mark.parametrize(("mutation", "words"), MUTATIONS.values(), ids=MUTATIONS)
def test_a_mutation_is_seen(target: Target, mutation: str, words: str) -> None:
    """A run that passes without the mutation fails with it, and says what is wrong."""
    target.database.execute(mutation.encode())
    report = run(target, probes=1_000, seed=10)
    assert [fault for fault in report.faults if words in fault], "\n".join(report.faults[:10])


def test_privileges_are_seen(target: Target) -> None:
    """Privileges that no request shows are also found."""
    for mutation in PRIVILEGES:
        target.database.execute(mutation.encode())
    report = run(target, probes=0, seed=10)
    for words in PRIVILEGES.values():
        assert [fault for fault in report.faults if words in fault], report.faults
