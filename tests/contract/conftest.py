"""The database and API that the contract is checked against.

``BOTLIVE_CONTRACT_SUPABASE_URL``, ``…_KEY``, ``…_JWT_SECRET`` and ``…_DATABASE_URL`` aim the suite at
any PostgREST; without them it is the local stack. It migrates, makes its own random shops and owners
and deletes only those, and never assumes that the database is empty.
"""

import os
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID, uuid4

import httpx
import jwt
import psycopg
import pytest
from psycopg.rows import dict_row
from psycopg.sql import SQL, Identifier
from pydantic import SecretStr

from gateway.client import Gateway
from gateway.errors import DeploymentFault, TransientFault
from gateway.settings import Settings
from operations.migrations import migrate
from tests.oracle import TABLES, Tables

PREFIX = "BOTLIVE_CONTRACT_"
VARIABLES = {  # by the stack's own names: how each may be written behind the prefix
    "SUPABASE_URL": ("SUPABASE_URL",),
    "SUPABASE_KEY": ("SUPABASE_KEY", "KEY"),
    "SUPABASE_JWT_SECRET": ("SUPABASE_JWT_SECRET", "JWT_SECRET"),
    "DATABASE_URL": ("DATABASE_URL", "SUPABASE_DATABASE_URL"),
}
LAST = "botlive_persisted"  # what the last migration makes


@dataclass(repr=False)
class Shop:
    """A shop of the test's own, with its owner's API client."""

    company_id: str
    uuid: UUID
    owner: UUID
    api: httpx.Client


@dataclass(repr=False)
class Target:
    """The project that the suite tests."""

    url: str
    key: str
    secret: str
    database: psycopg.Connection[dict[str, Any]]
    gateway: Gateway
    shops: list[Shop] = field(default_factory=list)

    def __repr__(self) -> str:
        return "Target"  # not its secrets

    def client(self, token: str | None) -> httpx.Client:
        """Return an API client with the token, or an anonymous one."""
        headers = {"apikey": token, "Authorization": f"Bearer {token}"} if token else {}
        return httpx.Client(base_url=f"{self.url}/rest/v1", headers=headers, timeout=30)

    def token(self, role: str, **claims: Any) -> str:
        """A JWT of the target's."""
        now = int(time.time())
        claims = {"role": role, "aud": "authenticated", "iat": now, "exp": now + 3600, **claims}
        return jwt.encode(claims, self.secret, algorithm="HS256")

    def shop(self) -> Shop:
        """A new shop with a new owner."""
        owner, company_id = uuid4(), f"contract-{uuid4()}"
        self.database.execute("insert into auth.users (id) values (%s)", [owner])
        made = self.gateway.call("botlive_company_add", {"text_id": company_id, "owner": str(owner)})
        api = self.client(self.token("authenticated", sub=str(owner)))
        shop = Shop(company_id, UUID(made["uuid"]), owner, api)
        self.shops.append(shop)
        return shop

    def plain(self, events: Sequence[Any]) -> list[Any]:
        """The events, without conversations where the project knows which there are."""
        known = self.database.execute(
            """select from pg_constraint k join pg_attribute a on a.attrelid = k.conrelid
               where k.contype = 'f' and a.attnum = any (k.conkey) and a.attname = 'conversation_id'
                 and k.conrelid in ('public.orders'::regclass, 'public.activities'::regclass)"""
        ).fetchall()
        return (
            [event.model_copy(update={"conversation_id": None}) for event in events]
            if known
            else list(events)
        )

    def own_policies(self, table: str, command: str) -> bool:
        """Whether the project lets owners do more than we do."""
        found = self.database.execute(
            """select from pg_policies where schemaname = 'public' and tablename = %s
               and policyname not like 'botlive_%%' and cmd in (%s, 'ALL')""",
            [table, command],
        )
        return bool(found.fetchall())

    def rows(self, *shops: Shop) -> Tables:
        """Return all rows of these shops."""
        return Tables(*(self._rows(table, [shop.uuid for shop in shops]) for table in TABLES))

    def _rows(self, table: str, shops: Sequence[UUID]) -> dict[UUID, dict[str, Any]]:
        columns = SQL(", ").join(map(Identifier, ["id", *TABLES[table].split()]))
        query = SQL("select {} from public.{} where company_id = any(%s)").format(columns, Identifier(table))
        return {row.pop("id"): row for row in self.database.execute(query, [list(shops)])}

    def clean(self) -> None:
        """Delete the suite's own shops, owners and rows, and nothing else."""
        uuids = [shop.uuid for shop in self.shops]
        ids = [shop.company_id for shop in self.shops]
        for table in TABLES:
            query = SQL("delete from public.{} where company_id = any(%s)").format(Identifier(table))
            self.database.execute(query, [uuids])
        self.database.execute("delete from botlive.toggles where company = any(%s)", [uuids])
        self.database.execute("delete from botlive.inbox where company_id = any(%s)", [ids])
        self.database.execute("delete from public.company_rag_configs where company_id = any(%s)", [ids])
        self.database.execute("delete from public.company_mapping where uuid = any(%s)", [uuids])
        self.database.execute("delete from public.companies where id = any(%s)", [uuids])
        owners = [shop.owner for shop in self.shops]
        self.database.execute("delete from auth.users where id = any(%s)", [owners])


def given() -> dict[str, str]:
    """The variables of the target that the environment names; none, where it names none."""
    found = {name: _given(spellings) for name, spellings in VARIABLES.items()}
    if not any(found.values()):
        return {}
    missing = [PREFIX + VARIABLES[name][0] for name, value in found.items() if not value]
    assert not missing, f"the contract suite is aimed at a target, but {missing} is not set"
    return found


def _given(spellings: Sequence[str]) -> str:
    return next(filter(None, (os.environ.get(PREFIX + name) for name in spellings)), "")


def _await_schema(gateway: Gateway) -> None:
    """PostgREST takes up new functions a moment after they were made."""
    deadline = time.monotonic() + 30
    while True:
        try:
            gateway.call(LAST, {"event_ids": []})
            return
        except (DeploymentFault, TransientFault):
            if time.monotonic() > deadline:
                raise
            time.sleep(0.2)


@contextmanager
def aimed(environment: Mapping[str, str]) -> Iterator[Target]:
    """What those variables name, migrated; what was made of shops there is deleted in the end."""
    migrate(environment["DATABASE_URL"])
    key = SecretStr(environment["SUPABASE_KEY"])
    gateway = Gateway.connect(Settings(supabase_url=environment["SUPABASE_URL"], supabase_key=key))
    _await_schema(gateway)
    with psycopg.connect(environment["DATABASE_URL"], autocommit=True, row_factory=dict_row) as database:
        made = Target(
            environment["SUPABASE_URL"].rstrip("/"),
            environment["SUPABASE_KEY"],
            environment["SUPABASE_JWT_SECRET"],
            database,
            gateway,
        )
        try:
            yield made
        finally:
            made.clean()
    for shop in made.shops:
        shop.api.close()
    gateway.close()


@pytest.fixture(scope="session")
def target(request: pytest.FixtureRequest) -> Iterator[Target]:
    """The migrated project that the suite tests."""
    with aimed(given() or request.getfixturevalue("stack").environment) as made:
        yield made


@pytest.fixture
def shop(target: Target) -> Shop:
    """A new shop with a new owner."""
    return target.shop()
