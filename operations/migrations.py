"""Brings a database to this release: each file of ``sql/tables/`` once, then all of ``sql/functions/``."""

import time
from collections.abc import Callable
from enum import StrEnum
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple, TypeVar

import psycopg
from psycopg.errors import Diagnostic

from gateway.masking import mask_text
from gateway.release import release
from operations.database import connect, translated_errors
from operations.errors import MigrationFailed

# The path, not the module `sql`: another distribution may have a module of that name.
_FOLDER = Path(__file__).parents[1] / "sql"
_FUNCTIONS = "functions"

# All settings are local to a transaction: a pooler may give each transaction another server.
_SETTINGS = """
set local client_min_messages = notice;
set local lock_timeout = '30s';
set local statement_timeout = 0;
"""
# Any number that no other program uses for its advisory lock.
_TURN = "select pg_advisory_xact_lock(7401130426)"
# A worker's transaction reads the mapping first. Waiting for workers there avoids deadlocks on other tables.
_WAIT_FOR_WORKERS = """
do $$
begin
  if to_regclass('public.company_mapping') is not null then
    lock table public.company_mapping in access exclusive mode;
  end if;
end
$$;
"""
_RECORDS = """
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
_HAS_RECORDS = "select to_regclass('botlive.migrations') is not null"
_RECORDED = "select checksum from botlive.migrations where version = %s"
_RECORD = """
insert into botlive.migrations (version, name, checksum) values (%s, %s, %s)
on conflict (version)
do update set name = excluded.name, checksum = excluded.checksum, applied_at = now();
"""
_HAS_BRING_UP = "select to_regprocedure('botlive.bring_up()') is not null"
_BRING_UP = "select botlive.bring_up()"
_RELOAD = "notify pgrst, 'reload schema'"
# A policy or view of the project may be slow: the check ends with an error instead of running on.
_LIMIT = "set local statement_timeout = '60s'"
_FINDINGS = "select blocks, words from botlive.findings()"
_TRAFFIC = ("40P01", "55P03")  # deadlock_detected, lock_not_available
_PAUSES = (0.2, 0.4, 0.8, 1.6, 3.2)  # seconds before the next try
_Done = TypeVar("_Done")


class State(StrEnum):
    """What a run did with a migration, in the words of its line."""

    NEW = "applied"
    CHANGED = "applied again: they have changed"
    CURRENT = "already applied"
    OTHER = "already applied with another text: this file has no effect, put the change into a new file"


class Migration(NamedTuple):
    """One unit that is applied in one transaction and has one record."""

    name: str
    """``<time stamp>_<short description>`` of a table file, or ``functions``."""
    sql: bytes

    @property
    def version(self) -> str:
        """The key of its record: the time stamp, or ``functions``."""
        return self.name.partition("_")[0]

    @property
    def checksum(self) -> str:
        """SHA-256 of its text, hex."""
        return sha256(self.sql).hexdigest()

    @property
    def record(self) -> tuple[str, str, str]:
        """Its row in ``botlive.migrations``: version, name, checksum."""
        return self.version, self.name, self.checksum

    @property
    def is_repeatable(self) -> bool:
        """Whether it is applied again after a change."""
        return self.name == _FUNCTIONS


def bundled() -> list[Migration]:
    """The migrations of this release, in their order: the table files, then all functions as one."""
    tables = sorted(Migration(path.stem, path.read_bytes()) for path in _FOLDER.glob("tables/*.sql"))
    functions = [path.read_bytes() for path in sorted(_FOLDER.glob("functions/*.sql"))]
    return [*tables, Migration(_FUNCTIONS, b"\n".join(functions))]


def migrate(database_url: str) -> list[str]:
    """Apply what is missing and return one line for each thing done. Safe to run twice and by two at once.

    A table file is applied once. The functions are applied whole whenever one of them has changed. Each of
    these is one transaction together with its record. Then ``botlive.bring_up()`` creates what is still
    missing, because somebody may have dropped or changed a table. The lines include the server's notices that
    begin with ``botlive:``. At the end PostgREST reloads the schema.

    Raises:
        MigrationFailed: the database is out of reach, or refuses a file; the files before it stay applied.
    """
    lines: list[str] = []
    with connect(database_url) as connection:
        connection.add_notice_handler(lambda notice: lines.extend(_ours(notice)))
        _make_records(connection)
        for migration in bundled():
            state = _amid_traffic(partial(_apply, connection, migration))
            lines.append(f"{migration.name} {state}")  # after the notices of this file
        _amid_traffic(partial(_bring_up, connection))
        with translated_errors("reloading the schema of PostgREST"):
            connection.execute(_RELOAD)
    return lines


def pending(database_url: str) -> list[str]:
    """The names of the migrations that the database lacks, or has with another text. Changes nothing.

    Raises:
        MigrationFailed: the database is out of reach.
    """
    with (
        connect(database_url) as connection,
        translated_errors("reading the migrations"),
        connection.transaction(),
    ):
        if connection.execute(_HAS_RECORDS).fetchone() != (True,):
            return [migration.name for migration in bundled()]
        states = {migration.name: _state(connection, migration) for migration in bundled()}
    return [name for name, state in states.items() if state is not State.CURRENT]


class Finding(NamedTuple):
    """Something about the database that an operator must know."""

    blocks: bool
    """Whether events of a type cannot be persisted."""
    words: str


def check(database_url: str) -> list[Finding]:
    """What the tables cannot take, what is open to others, and what the migrations removed.

    Each finding names its cure. The check writes sample events and rolls them back.

    Raises:
        MigrationFailed: the database is out of reach, or not migrated.
    """
    with (
        connect(database_url) as connection,
        translated_errors("checking the tables"),
        connection.transaction(),
    ):
        connection.execute(_SETTINGS)
        connection.execute(_LIMIT)
        rows = connection.execute(_FINDINGS).fetchall()
    return [Finding(blocks, mask_text(words)) for blocks, words in rows]


def script() -> str:
    """All migrations as one text, for an SQL editor or ``supabase db push``. It may run again without harm.

    Its last statement shows what ``check`` returns.
    """
    head = f"-- Botlive Events {release()}, made by `botlive migrate --sql`."
    files = (each.sql.decode() + _RECORD % tuple(f"'{field}'" for field in each.record) for each in bundled())
    return "\n".join([head, _RECORDS, _WAIT_FOR_WORKERS, *files, f"{_RELOAD};\n{_FINDINGS};\n"])


def _make_records(connection: psycopg.Connection) -> None:
    with translated_errors("creating botlive.migrations"), connection.transaction():
        _take_turn(connection)
        connection.execute(_RECORDS)


def _bring_up(connection: psycopg.Connection) -> None:
    with translated_errors("creating what is missing"), connection.transaction():
        _take_turn(connection)
        if connection.execute(_HAS_BRING_UP).fetchone() == (True,):
            connection.execute(_BRING_UP)


def _take_turn(connection: psycopg.Connection) -> None:
    """Wait until no other run is active. The lock lasts as long as the transaction."""
    connection.execute(_SETTINGS)
    with translated_errors("waiting for another `botlive migrate` to finish"):
        connection.execute(_TURN)


def _amid_traffic(step: Callable[[], _Done]) -> _Done:
    """Take the step, again if PostgreSQL ended it because of a deadlock with a worker's transaction."""
    for pause in _PAUSES:
        try:
            return step()
        except MigrationFailed as error:
            if error.sqlstate not in _TRAFFIC:
                raise
            time.sleep(pause)
    return step()


def _apply(connection: psycopg.Connection, migration: Migration) -> State:
    with translated_errors(migration.name), connection.transaction():
        _take_turn(connection)
        state = _state(connection, migration)
        if state in {State.NEW, State.CHANGED}:
            connection.execute(_WAIT_FOR_WORKERS)
            # Without parameters psycopg allows a text of many statements, and does not interpret % in it.
            connection.execute(migration.sql)
            connection.execute(_RECORD, migration.record)
    return state


def _state(connection: psycopg.Connection, migration: Migration) -> State:
    """Return what to do, according to the current record: another run may have written it in the meantime."""
    recorded = connection.execute(_RECORDED, [migration.version]).fetchone()
    if recorded is None:
        return State.NEW
    if recorded == (migration.checksum,):
        return State.CURRENT
    return State.CHANGED if migration.is_repeatable else State.OTHER


def _ours(notice: Diagnostic) -> list[str]:
    message = notice.message_primary or ""
    return [message] if message.startswith("botlive:") else []
