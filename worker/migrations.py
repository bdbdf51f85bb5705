"""Brings a database to this version: each file of ``sql/`` once, in the order of their names."""

import time
from collections.abc import Iterator
from enum import StrEnum
from hashlib import sha256
from importlib.resources import files
from typing import NamedTuple

import psycopg
from psycopg.errors import Diagnostic

from worker.errors import MigrationFailed
from worker.masking import mask_text

_CONNECT_TIMEOUT = 10  # seconds
_SESSION = b"""
set client_min_messages = notice;
set lock_timeout = '30s';
set statement_timeout = 0;
"""
# Any number that no other program takes for its advisory lock.
_TURN = b"select pg_advisory_lock(7401130426)"
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
_RECORDED = "select version, checksum from botlive.migrations"
_RECORD = b"""
insert into botlive.migrations (version, name, checksum) values (%s, %s, %s)
on conflict (version)
do update set name = excluded.name, checksum = excluded.checksum, applied_at = now()
"""
_HAS_BRING_UP = "select to_regprocedure('botlive.bring_up()') is not null"
_BRING_UP = b"select botlive.bring_up()"
_FINDINGS = "select blocks, words from botlive.findings()"
_TRAFFIC = ("40P01", "55P03")  # deadlock_detected, lock_not_available
_PAUSES = (0.2, 0.4, 0.8, 1.6, 3.2)  # seconds before the next try
_UNREACHABLE = {  # what libpq says, and what it means for whoever set DATABASE_URL
    "refused": "nothing listens at its host and port",
    "resolve host": "its host is unknown",
    "translate host": "its host is unknown",
    "authentication failed": "its user or password is wrong",
    "does not exist": "its user or database does not exist",
    "timeout": f"no answer within {_CONNECT_TIMEOUT} s",
}


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
    paths = (path for path in files("sql").iterdir() if path.name.endswith(".sql"))
    return sorted(Migration(path.name.removesuffix(".sql"), path.read_bytes()) for path in paths)


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
    with _connected(database_url) as connection:
        connection.add_notice_handler(lambda notice: lines.extend(_ours(notice)))
        _take_turn(connection)
        for migration, state in _states(connection):
            if state is not State.CURRENT:
                _apply(connection, migration)
            lines.append(f"{migration.name} {state}")
        if connection.execute(_HAS_BRING_UP).fetchone() == (True,):
            _bring_up(connection)
        _execute(connection, "telling PostgREST", b"notify pgrst, 'reload schema'")
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
    with _connected(database_url) as connection:
        try:
            rows = connection.execute(_FINDINGS).fetchall()
        except psycopg.Error as error:
            raise _failed("checking the tables", error) from None
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


def _connected(database_url: str) -> psycopg.Connection:
    try:
        return psycopg.connect(
            database_url,
            autocommit=True,
            connect_timeout=_CONNECT_TIMEOUT,
            application_name="botlive migrate",
        )
    except psycopg.OperationalError as error:
        raise MigrationFailed(f"DATABASE_URL cannot be reached: {_why(error)}") from None
    except psycopg.Error:
        raise MigrationFailed("DATABASE_URL is no PostgreSQL URL (postgresql://…)") from None


def _why(error: psycopg.Error) -> str:
    # libpq's own words may hold a piece of the URL, so they are recognised and not repeated.
    said = str(error)
    return next((why for words, why in _UNREACHABLE.items() if words in said), "no connection")


def _take_turn(connection: psycopg.Connection) -> None:
    """Wait until no other run is at work; the lock lasts as long as the connection."""
    _execute(connection, "preparing the session", _SESSION)
    _execute(connection, "waiting for another `botlive migrate` to finish", _TURN)
    _execute(connection, "making botlive.migrations", _BOOKS)


def _states(connection: psycopg.Connection) -> Iterator[tuple[Migration, State]]:
    recorded: dict[str, str] = dict(connection.execute(_RECORDED).fetchall())
    outdated = False
    for migration in bundled():
        checksum = recorded.get(migration.version)
        changed = checksum != migration.checksum
        yield migration, _state(known=checksum is not None, changed=changed, outdated=outdated)
        outdated |= changed


def _state(*, known: bool, changed: bool, outdated: bool) -> State:
    if not known:
        return State.NEW
    if changed:
        return State.CHANGED
    return State.FOLLOWS if outdated else State.CURRENT


def _bring_up(connection: psycopg.Connection) -> None:
    with connection.transaction():
        _execute(connection, "making what is missing", _BRING_UP)


def _apply(connection: psycopg.Connection, migration: Migration) -> None:
    """In the middle of the workers' traffic a deadlock may choose us: then once more."""
    for pause in _PAUSES:
        try:
            return _apply_once(connection, migration)
        except MigrationFailed as error:
            if error.sqlstate not in _TRAFFIC:
                raise
            time.sleep(pause)
    return _apply_once(connection, migration)


def _apply_once(connection: psycopg.Connection, migration: Migration) -> None:
    with connection.transaction():
        _execute(connection, migration.name, migration.sql)
        _execute(connection, migration.name, _RECORD, migration.version, migration.name, migration.checksum)


def _execute(connection: psycopg.Connection, what: str, sql: bytes, *parameters: str) -> None:
    try:
        # Without parameters a text of many statements is allowed, and a % in it is a %.
        connection.execute(sql, parameters or None)
    except psycopg.Error as error:
        raise _failed(what, error) from None


def _failed(what: str, error: psycopg.Error) -> MigrationFailed:
    said = mask_text(error.diag.message_primary or "the connection was lost")
    failed = MigrationFailed(f"{what}: {said} ({error.sqlstate or 'no code'})")
    failed.sqlstate = error.sqlstate
    return failed


def _ours(notice: Diagnostic) -> list[str]:
    message = notice.message_primary or ""
    return [message] if message.startswith("botlive:") else []
