"""Projects of the field: our migrations on each, twice, then a day's events, and what the front end does."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest
from psycopg.conninfo import make_conninfo
from psycopg.rows import dict_row
from psycopg.types.json import Jsonb

from devstack.stack import Stack
from events import AnyEvent, LiveToggled, PaymentIssue, PaymentValidated
from operations.errors import MigrationFailed
from operations.migrations import check, migrate
from tests.integration.conftest import empty_database
from tests.make import PHONE, order
from tests.zoo import ZOO, Ask, Member, base
from tests.zoo.releases import knows
from worker.elements import element

Database = psycopg.Connection[dict[str, Any]]
_CLAIMS = b"""select set_config('request.jwt.claims', '{"role": "service_role"}', true)"""
SHOPS = ("boutique-awa", "mode-fatou")


class Project:
    """A member of the zoo on a database of its own, migrated."""

    def __init__(self, member: Member, url: str, database: Database) -> None:
        self.member, self.url, self.database = member, url, database
        self.said: list[str] = []
        self.people = {person: uuid4() for person in ("owner", "other", "staff")}
        for user in self.people.values():
            database.execute("insert into auth.users (id, email) values (%s, %s)", [user, f"{user}@shop"])

    def migrate(self) -> None:
        """Migrate as if it had never been done: paste the script again, or push it again."""
        self.database.execute("drop table if exists botlive.migrations")
        self.said += migrate(self.url)

    def settle(self) -> None:
        """Two shops with their owners."""
        for shop, person in zip(SHOPS, ("owner", "other"), strict=True):
            made = self.database.execute("select botlive.map_company(%s) as uuid", [shop]).fetchone()
            assert made
            owner = self.people[person]
            self.database.execute(
                "update public.company_mapping set user_id = %s where company_id = %s", [owner, shop]
            )
            self.database.execute(
                "update public.companies set owner_id = %s where id::text = %s", [owner, str(made["uuid"])]
            )

    def names(self, order_id: UUID | None = None) -> dict[str, Any]:
        """The names that a statement of the front end may use."""
        row = self.database.execute(
            "select uuid from public.company_mapping where company_id = %s", [SHOPS[0]]
        ).fetchone()
        return {"shop": row and row["uuid"], "order": order_id, **self.people}

    def ask(self, ask: Ask, order_id: UUID) -> int | str:
        """The rows that the statement reaches, or its SQLSTATE."""
        names = self.names(order_id)
        with acting(self.database, self.people.get(ask.person)):
            try:
                return self.database.execute(ask.sql.encode(), names).rowcount
            except psycopg.Error as error:
                return error.sqlstate or ""

    def persist(self, *events: AnyEvent) -> list[str]:
        """The outcomes, by the function that the worker calls."""
        with self.database.transaction():
            self.database.execute("set local role service_role")
            self.database.execute(_CLAIMS)  # as the API sets them
            batch = Jsonb([element(event) for event in events])
            row = self.database.execute("select public.botlive_persist(%s, true) as said", [batch]).fetchone()
        assert row
        return [said["outcome"] for said in row["said"]]

    def findings(self) -> dict[bool, list[str]]:
        """What `botlive migrate` says in the end, by whether it ends with exit code 1."""
        found = check(self.url)
        return {blocks: [one.words for one in found if one.blocks is blocks] for blocks in (True, False)}


def connect(url: str) -> Database:
    """Connect as the owner of the project."""
    return psycopg.connect(url, autocommit=True, row_factory=dict_row)


@contextmanager
def acting(database: Database, user: UUID | None) -> Iterator[None]:
    """Act as a signed-in user, or as an anonymous one; rolled back at the end."""
    role = "authenticated" if user else "anon"
    claims = {"role": role, "guest": "Guest"} | ({"sub": str(user), "email": f"{user}@shop"} if user else {})
    with database.transaction(force_rollback=True):
        database.execute("select set_config('request.jwt.claims', %s, true)", [json.dumps(claims)])
        database.execute(f"set local role {role}".encode())
        yield


def a_day(shop: str) -> list[AnyEvent]:
    """Every type of event, and a session that ends."""
    return [
        PaymentValidated(company_id=shop, user_id=PHONE, amount=2000, reference="WAVE-123"),
        PaymentIssue(
            company_id=shop, user_id=PHONE, issue_type="payment_insufficient", message="1500 FCFA reçu"
        ),
        order(shop, total_amount=12000, conversation_id=uuid4()),
        LiveToggled(company_id=shop, enabled=True),
        LiveToggled(company_id=shop, enabled=False),
    ]


# As the role `postgres` of a hosted project: it owns the tables and may become the API's roles, and is
# neither a superuser nor the owner of the schema auth.
OWNER = b"""
do $$ begin
  if to_regrole('projects_owner') is null then
    create role projects_owner login createdb createrole bypassrls password 'projects_owner';
    grant anon, authenticated, service_role to projects_owner;
  end if;
  execute format('alter database %I owner to projects_owner', current_database());
end $$;
grant usage on schema auth to projects_owner;
grant all on all tables in schema auth to projects_owner;
"""


@pytest.fixture
def project(request: pytest.FixtureRequest, stack: Stack) -> Iterator[Project]:
    """The member, before our migrations."""
    with empty_database(stack) as server_url:
        with connect(server_url) as server:
            if not knows(server, request.param):
                pytest.skip("this release of PostgreSQL has no security_invoker")
            server.execute(OWNER)
        url = make_conninfo(server_url, user="projects_owner", password="projects_owner")  # noqa: S106 # local
        with connect(url) as database:
            database.execute(base())
            database.execute(request.param.sql.encode())
        with connect(url) as database:  # anew: what the project set for its database holds for new sessions
            yield Project(request.param, url, database)


@pytest.mark.slow
@pytest.mark.parametrize("project", ZOO, ids=str, indirect=True)
def test_a_project_of_the_field(project: Project) -> None:
    """Every event is persisted or waits apart as expected, and no user lost a right that he used."""
    member = project.member
    project.migrate()
    project.settle()
    if member.later:
        project.database.execute(member.later.encode(), project.names() if "%(" in member.later else None)
    project.migrate()

    findings = project.findings()
    assert bool(findings[True]) is bool(member.blocked), findings
    if member.blocked:
        assert any(member.blocked in words for words in findings[True]), findings
    told = "\n".join([*project.said, *findings[True], *findings[False]])
    assert [words for words in member.named if words not in told] == [], told
    assert [words for words in member.unnamed if words in told] == []

    closed = member.shops or SHOPS
    days = {shop: a_day(shop) for shop in SHOPS}
    events = [event for pair in zip(*days.values(), strict=True) for event in pair]
    foretold = [
        "apart" if event.company_id in closed and event.type in member.apart else "persisted"
        for event in events
    ]
    assert project.persist(*events) == foretold
    _is_whole(project.database, events, foretold)
    assert project.persist(*events) == [
        "apart" if outcome == "apart" else "duplicate" for outcome in foretold
    ]
    order_id = days[SHOPS[0]][2].event_id
    for ask in member.asks:
        assert (ask, project.ask(ask, order_id)) == (ask, ask.answer)


def _is_whole(database: Database, events: list[AnyEvent], outcomes: list[str]) -> None:
    """What is persisted has all its rows, with the event's own values; what waits has none."""
    database.execute("set datestyle = iso")  # the driver reads no other
    for event, outcome in zip(events, outcomes, strict=True):
        expected = int(outcome == "persisted")
        key = str(event.event_id)
        activities = database.execute("select * from public.activities where id::text = %s", [key]).fetchall()
        orders = database.execute("select * from public.orders where id::text = %s", [key]).fetchall()
        assert len(activities) == expected
        assert len(orders) == expected * (event.type == "order_completed")
        for row in orders:
            assert float(row["total_amount"]) == 12000
            assert row["status"] == "pending"
            assert _utc(row["created_at"]) == event.occurred_at
    for on, off in zip(events[6:8], events[8:10], strict=True):
        session = database.execute(
            "select * from public.bot_sessions where id::text = %s", [str(on.event_id)]
        ).fetchone()
        if outcomes[events.index(on)] == "persisted":
            assert session
            began, ended = _utc(session["started_at"]), _utc(session["ended_at"])
            assert (began, ended) == (on.occurred_at, off.occurred_at)
    kept = database.execute(
        "select count(*) as n from botlive.inbox where event_id = any(%s)", [[one.event_id for one in events]]
    ).fetchone()
    assert kept == {"n": outcomes.count("persisted")}


def _utc(instant: datetime) -> datetime:
    """Return the time in UTC, also from a column without a zone."""
    return instant if instant.tzinfo else instant.replace(tzinfo=UTC)


@pytest.mark.slow
@pytest.mark.parametrize("project", [Member("plain", "")], ids=str, indirect=True)
def test_tables_of_another_owner_are_named_with_the_cure(project: Project, stack: Stack) -> None:
    """The role that migrates may not change them: one message for all, and its cure works."""
    owner = "projects_owner"
    tables = ("public.orders", "public.activities")
    server_url = make_conninfo(stack.postgres.url, dbname=project.database.info.dbname)
    with connect(server_url) as server:
        for table in tables:
            server.execute(f"alter table {table} owner to postgres".encode())
        with pytest.raises(MigrationFailed, match="as their owner run: ") as refused:
            project.migrate()
        for table in tables:
            assert f"alter table {table} owner to {owner};" in str(refused.value)
        server.execute(str(refused.value).partition("run: ")[2].partition("(42501)")[0].encode())
    project.migrate()
    assert project.findings()[True] == []


@pytest.mark.slow
@pytest.mark.parametrize(
    "project",
    [Member("owned-companies", "alter table public.companies alter column owner_id set not null")],
    ids=str,
    indirect=True,
)
def test_companies_that_need_an_owner_are_no_fault(project: Project) -> None:
    """The check uses an existing user as the owner; without users it is a note that says what to do."""
    project.migrate()
    assert project.findings() | {False: []} == {True: [], False: []}
    project.database.execute("delete from auth.users")
    findings = project.findings()
    assert findings[True] == []
    assert any("no new shop can be made" in words and "company link" in words for words in findings[False])


@pytest.mark.slow
@pytest.mark.parametrize(
    "project",
    [
        Member(
            "no-ends",
            """create function public.theirs() returns trigger language plpgsql as
              $$ begin raise exception 'it never ends'; end $$;
            create trigger theirs before update on public.bot_sessions
              for each row execute function public.theirs()""",
        )
    ],
    ids=str,
    indirect=True,
)
def test_a_shop_whose_sessions_cannot_end_lets_toggles_wait(project: Project) -> None:
    """The rehearsal begins and ends a session: an end that fails is found too, also where one is open."""
    project.migrate()
    project.settle()
    assert any(
        "live_toggled: a new shop can take no such event" in words for words in project.findings()[True]
    )
    begin, end = (LiveToggled(company_id=SHOPS[0], enabled=enabled) for enabled in (True, False))
    assert project.persist(begin) == ["persisted"]
    assert project.persist(end) == ["apart"]
    assert project.persist(*a_day(SHOPS[0])[:3]) == ["persisted"] * 3
