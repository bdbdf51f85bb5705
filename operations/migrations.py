"""Brings a database to this version: each file of ``sql/`` once, in the order of their names."""

import time
from collections.abc import Callable
from enum import StrEnum
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple, TypeVar

import psycopg
from psycopg.errors import Diagnostic

from gateway.errors import MigrationFailed
from gateway.masking import mask_text
from operations.database import connect, told

# Not by the name `sql`, under which Python may find another's folder, whose files would then be applied.
_FOLDER = Path(__file__).parents[1] / "sql"

# All within a transaction, where nobody takes it away: a pooler may give each one another server.
_SETTINGS = b"""
set local client_min_messages = notice;
set local lock_timeout = '30s';
set local statement_timeout = 0;
"""
# Any number that no other program takes for its advisory lock.
_TURN = b"select pg_advisory_xact_lock(7401130426)"
_BOOKS = b"""
create schema if not exists botlive;
revoke all on schema botlive from public;
create table if not exists botlive.migrations (
    version text primary key,
    name text not null,
    checksum text not null,
    applied_at timestamptz not null default now()
);
comment on table botlive.migrations is 'The migrations of Botlive Events that `botlive migrate` applied';
revoke all on table botlive.migrations from public;
alter table botlive.migrations enable row level security;
"""
_RECORDED = b"""
select checksum, exists (
    select from botlive.migrations earlier
    where earlier.version < applied.version and earlier.applied_at > applied.applied_at
)
from botlive.migrations applied where version = %s
"""
_RECORD = b"""
insert into botlive.migrations (version, name, checksum) values (%s, %s, %s)
on conflict (version)
do update set name = excluded.name, checksum = excluded.checksum, applied_at = now()
"""
_HAS_BRING_UP = "select to_regprocedure('botlive.bring_up()') is not null"
_BRING_UP = b"select botlive.bring_up()"
# A customer's policy or view may take any time: the check says so rather than to hang.
_LIMIT = b"set local statement_timeout = '60s'"
_FINDINGS = "select blocks, words from botlive.findings()"
_TRAFFIC = ("40P01", "55P03")  # deadlock_detected, lock_not_available
_PAUSES = (0.2, 0.4, 0.8, 1.6, 3.2)  # seconds before the next try
_Done = TypeVar("_Done")


class State(StrEnum):
    """What is to be done with a migration, in the words that tell of it once it is done."""

    NEW = "applied"
    CHANGED = "applied again: it has changed"
    FOLLOWS = "applied again: one before it was applied"
    CURRENT = "already applied"


class Migration(NamedTuple):
    """One file: ``<version>_<short description>.sql``."""

    name: str
    sql: bytes

    @property
    def version(self) -> str:
        """Its UTC time stamp: the key of its record."""
        return self.name.partition("_")[0]

    @property
    def checksum(self) -> str:
        """SHA-256 of its text, hex."""
        return sha256(self.sql).hexdigest()


def bundled() -> list[Migration]:
    """The migrations that this release carries, in their order."""
    return sorted(Migration(path.stem, path.read_bytes()) for path in _FOLDER.glob("*.sql"))


def migrate(database_url: str) -> list[str]:
    """Apply what is missing and say, line by line, what was done. Safe to run twice and by two at once.

    From the first file on that is new or has changed, all are applied: they are idempotent, and a
    later one may replace what an earlier one makes. Each file is one transaction together with its
    record. What is missing all the same is made: a table may have been dropped and made anew. The
    server's notices that begin with ``botlive:`` are among the lines. In the end PostgREST is told to
    read the schema anew.

    Raises:
        MigrationFailed: the database is out of reach, or refuses a file; the files before it stay.
    """
    lines: list[str] = []
    with connect(database_url) as connection:
        connection.add_notice_handler(lambda notice: lines.extend(_ours(notice)))
        _make_books(connection)
        for migration in bundled():
            state = _amid_traffic(partial(_bring, connection, migration))
            lines.append(f"{migration.name} {state}")  # behind the notices that it gave
        _amid_traffic(partial(_bring_up, connection))
        with told("telling PostgREST"):
            connection.execute(b"notify pgrst, 'reload schema'")
    return lines


class Finding(NamedTuple):
    """What of the database must be told."""

    blocks: bool
    """Whether events of a type cannot be persisted."""
    words: str


def check(database_url: str) -> list[Finding]:
    """What the tables cannot take, what is open to others, and what the migrations took from where.

    Each finding names its cure. The rehearsal writes sample events and takes them back.

    Raises:
        MigrationFailed: the database is out of reach, or not migrated.
    """
    with connect(database_url) as connection, told("checking the tables"), connection.transaction():
        connection.execute(_SETTINGS)
        connection.execute(_LIMIT)
        rows = connection.execute(_FINDINGS).fetchall()
    return [Finding(blocks, mask_text(words)) for blocks, words in rows]


def script() -> str:
    """All migrations as one text for an SQL editor. Its last statement shows what ``check`` tells."""
    records = "".join(
        "insert into botlive.migrations (version, name, checksum) "  # noqa: S608 # our own files' names
        f"values ('{each.version}', '{each.name}', '{each.checksum}')\n"
        "on conflict (version) do update set checksum = excluded.checksum, applied_at = now();\n"
        for each in bundled()
    )
    files = "\n".join(each.sql.decode() for each in bundled())
    return f"{files}\n{_BOOKS.decode()}{records}\n{_FINDINGS};\n"


def _make_books(connection: psycopg.Connection) -> None:
    with told("making botlive.migrations"), connection.transaction():
        _take_turn(connection)
        connection.execute(_BOOKS)


def _bring_up(connection: psycopg.Connection) -> None:
    with told("making what is missing"), connection.transaction():
        _take_turn(connection)
        if connection.execute(_HAS_BRING_UP).fetchone() == (True,):
            connection.execute(_BRING_UP)


def _take_turn(connection: psycopg.Connection) -> None:
    """Wait until no other run is at work; the lock lasts as long as the transaction."""
    connection.execute(_SETTINGS)
    with told("waiting for another `botlive migrate` to finish"):
        connection.execute(_TURN)


def _amid_traffic(step: Callable[[], _Done]) -> _Done:
    """Take the step. In the midst of workers' traffic a deadlock may choose us: then again."""
    for pause in _PAUSES:
        try:
            return step()
        except MigrationFailed as error:
            if error.sqlstate not in _TRAFFIC:
                raise
            time.sleep(pause)
    return step()


def _bring(connection: psycopg.Connection, migration: Migration) -> State:
    with told(migration.name), connection.transaction():
        _take_turn(connection)
        state = _state(connection, migration)
        if state is not State.CURRENT:
            # Without parameters a text of many statements is allowed, and a % in it is a %.
            connection.execute(migration.sql)
            connection.execute(_RECORD, [migration.version, migration.name, migration.checksum])
    return state


def _state(connection: psycopg.Connection, migration: Migration) -> State:
    """What is due, by the record as it is now: another run may have written it meanwhile."""
    recorded = connection.execute(_RECORDED, [migration.version]).fetchone()
    if recorded is None:
        return State.NEW
    checksum, is_outdated = recorded
    if checksum != migration.checksum:
        return State.CHANGED
    return State.FOLLOWS if is_outdated else State.CURRENT


def _ours(notice: Diagnostic) -> list[str]:
    message = notice.message_primary or ""
    return [message] if message.startswith("botlive:") else []
