"""Erases a customer's data from the tables, over a direct connection as their owner."""

from typing import NamedTuple

import psycopg

from operations.database import translated_errors
from operations.errors import MigrationFailed

_IS_MIGRATED = "select to_regprocedure('botlive.erase_rows(text)') is not null"
_REMEMBER = "select botlive.remember_erasure(%s)"
_FIND = "select label, id from botlive.rows_of_person(%s)"
_ERASE = "select botlive.erase_rows(%s)"
_LIMIT = "set local lock_timeout = '30s'; set local statement_timeout = 0"


class Row(NamedTuple):
    """One row of the customer."""

    table: str
    row_id: str


class Tables:
    """The rows of one customer in ``orders`` and ``activities``."""

    def __init__(self, connection: psycopg.Connection, person: str) -> None:
        """Use the connection.

        Raises:
            MigrationFailed: the database is older than this release.
        """
        self._connection = connection
        self._person = person
        with translated_errors("looking for the functions of the erasure"):
            is_migrated = connection.execute(_IS_MIGRATED).fetchone() == (True,)
        if not is_migrated:
            raise MigrationFailed("the database is older than this release: run `botlive migrate` first")

    def remember(self) -> None:
        """Make the database mask the customer's older events when they arrive."""
        self._run(_REMEMBER, "recording the erasure")

    def find(self) -> list[Row]:
        """Find the customer's rows."""
        with translated_errors("reading the customer's rows"), self._connection.transaction():
            self._connection.execute(_LIMIT)
            found = self._connection.execute(_FIND, [self._person]).fetchall()
        return [Row(*each) for each in found]

    def erase(self) -> None:
        """Mask the customer's rows."""
        self._run(_ERASE, "erasing the customer's rows")

    def _run(self, statement: str, doing: str) -> None:
        with translated_errors(doing), self._connection.transaction():
            self._connection.execute(_LIMIT)
            self._connection.execute(statement.encode(), [self._person])
