"""Deletes old rows of the inbox, of ``activities`` and of the toggles, in pieces, while workers run.

The horizon is raised before anything is deleted. From then on ``botlive_persist`` refuses each older event
that is not in the inbox, so a deleted event is never persisted again. A run may be interrupted at any time.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple, Self

import psycopg
from psycopg.rows import class_row, scalar_row

from operations.database import connect, translated_errors
from operations.errors import MigrationFailed

if TYPE_CHECKING:
    from datetime import datetime

SHORTEST = 30
"""Days that are always kept, so that a late event is still accepted."""

# Local to a transaction: a pooler may give each transaction another server.
_SETTINGS = """
set local application_name = 'botlive prune';
set local lock_timeout = '1s';
set local statement_timeout = '5s';
"""
_COUNTING = "set local statement_timeout = '10min'"
# The beginning of a day: two runs on one day have the same horizon.
_HORIZON = "select date_trunc('day', now() - make_interval(days => %s), 'UTC')"
_RAISE = "select botlive.raise_horizon(%s)"
_COUNT = "select events, activities, toggles from botlive.count_prunable(%s)"
_PAGES = "select pg_relation_size(%s::regclass) / current_setting('block_size')::bigint"
_PIECES = {
    "botlive.inbox": "select events, activities, 0 as toggles from botlive.prune_inbox(%s, %s, %s)",
    "botlive.toggles": "select 0 as events, 0 as activities, botlive.prune_toggles(%s, %s, %s) as toggles",
}

# serialization_failure, deadlock_detected, lock_not_available, query_canceled
_BUSY = {"40001", "40P01", "55P03", "57014"}
_OUTDATED = {"3F000", "42883", "42P01"}  # invalid_schema_name, undefined_function, undefined_table
_REFERRED = "23503"  # foreign_key_violation
_TRIES = 10
_FAST, _SLOW = 0.1, 0.5  # seconds of one piece
_MOST_PAGES = 256  # at most, of one piece: about 12,000 events
_LONGEST_PAUSE = 30.0  # seconds


class PrunedRows(NamedTuple):
    """Numbers of rows."""

    events: int = 0
    """In the inbox."""
    activities: int = 0
    toggles: int = 0

    def plus(self, other: Self) -> "PrunedRows":
        """Return the sum."""
        return PrunedRows(*(one + another for one, another in zip(self, other, strict=True)))

    def __str__(self) -> str:
        return f"{self.events} events in the inbox, {self.activities} activities, {self.toggles} toggles"


class Progress(NamedTuple):
    """What a run has deleted until now."""

    deleted: PrunedRows
    pages: int
    """Pages of the present table that were read, of ``of``."""
    of: int
    table: str


@dataclass
class Pace:
    """How many pages the next piece has, and how long the pause before it is."""

    pages: int = 16
    pause: float = 0.0
    failures: int = 0
    """How many times the present piece has failed."""

    def done(self, seconds: float) -> None:
        """Adapt to a piece that took that long. The pause is as long as it, and grows if it was slow."""
        self.failures = 0
        self.pause = min(_LONGEST_PAUSE, max(seconds, 2 * self.pause)) if seconds > _SLOW else seconds
        if seconds < _FAST:
            self.pages = min(_MOST_PAGES, 2 * self.pages)
        elif seconds > _SLOW:
            self.pages = max(1, self.pages // 2)

    def busy(self) -> None:
        """Adapt to a piece that reached a time limit: a smaller one follows, after a longer pause."""
        self.failures += 1
        self.pages = max(1, self.pages // 2)
        self.pause = min(_LONGEST_PAUSE, max(1.0, 2 * self.pause))


class Pruner:
    """Prunes one database, up to one horizon."""

    def __init__(self, connection: psycopg.Connection, days: int) -> None:
        self._connection = connection
        self.pace = Pace()
        """Of the pieces."""
        self.horizon: datetime = self._ask("reading the clock", _HORIZON, days)
        """What is older is deleted."""

    def count(self) -> PrunedRows:
        """Count the rows that a run would delete. Changes nothing."""
        with _explained("counting"), self._connection.transaction():
            self._connection.execute(_SETTINGS)
            self._connection.execute(_COUNTING)
            return self._rows(_COUNT, self.horizon)

    def run(self) -> Iterator[Progress]:
        """Raise the horizon, then delete in pieces. Yield after each piece.

        Raises:
            MigrationFailed: the database refuses it or stays busy; what was deleted stays deleted.
        """
        self._raise_horizon()
        deleted = PrunedRows()
        for table, piece in _PIECES.items():
            of = self._ask("reading the size", _PAGES, table)
            first = 0
            while first < of:
                past = first + self.pace.pages
                rows = self._delete(table, piece, first, past)
                if rows is not None:
                    deleted, first = deleted.plus(rows), past
                    yield Progress(deleted, min(past, of), of, table)
                time.sleep(self.pace.pause)

    def _raise_horizon(self) -> None:
        while True:
            with self._retried():
                self._ask("raising the horizon", _RAISE, self.horizon)
                return
            time.sleep(self.pace.pause)

    def _delete(self, table: str, piece: str, first: int, past: int) -> PrunedRows | None:
        """Delete one piece. Return what was deleted, or None if the database is busy."""
        started = time.monotonic()
        with self._retried(), _explained(f"deleting from {table}"), self._connection.transaction():
            self._connection.execute(_SETTINGS)
            rows = self._rows(piece, self.horizon, first, past)
            self.pace.done(time.monotonic() - started)
            return rows
        return None

    @contextmanager
    def _retried(self) -> Iterator[None]:
        """Swallow the error of a busy database, some times in a row."""
        try:
            yield
        except MigrationFailed as error:
            if error.sqlstate not in _BUSY or self.pace.failures >= _TRIES:
                raise
            self.pace.busy()

    def _ask(self, what: str, query: str, *parameters: object) -> Any:
        with _explained(what), self._connection.transaction():
            self._connection.execute(_SETTINGS)
            return self._connection.cursor(row_factory=scalar_row).execute(query, parameters).fetchone()

    def _rows(self, query: str, *parameters: object) -> PrunedRows:
        cursor = self._connection.cursor(row_factory=class_row(PrunedRows))
        return cursor.execute(query, parameters).fetchone() or PrunedRows()


@contextmanager
def pruner(database_url: str, days: int) -> Iterator[Pruner]:
    """Connect to the database, to prune what is older than that many days.

    Raises:
        MigrationFailed: the database is out of reach.
    """
    with connect(database_url) as connection:
        yield Pruner(connection, days)


@contextmanager
def _explained(what: str) -> Iterator[None]:
    """Say what to do about errors that only pruning can cause."""
    try:
        with translated_errors(what):
            yield
    except MigrationFailed as error:
        cure = {
            **dict.fromkeys(_OUTDATED, "the database is older than this release: run `botlive migrate`"),
            _REFERRED: "a table refers to activities: let its rows be deleted too (on delete cascade)",
        }.get(error.sqlstate or "")
        if cure is None:
            raise
        raise MigrationFailed(f"{error}; {cure}") from None
