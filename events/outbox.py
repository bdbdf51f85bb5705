"""Where events wait that Redis did not confirm: one SQLite file, safe for several processes."""

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from uuid import UUID

from events.errors import OutboxFailed, OutboxFull
from events.job import Call

LIMIT = 100_000
"""Events that the file may hold; some 100 MB."""

_PATIENCE = 0.2  # seconds that a writer waits for another process
_TABLE = """
create table if not exists waiting (
  number integer primary key, event_id text not null, data text not null,
  digest text not null, description text not null
)
"""


class Outbox:
    """Events in the order they came. Each call opens the file anew: threads and forks share nothing."""

    def __init__(self, path: Path, *, limit: int = LIMIT) -> None:
        self.path = path
        self._limit = limit

    def add(self, calls: Sequence[Call]) -> None:
        """Keep them, durably: all or none.

        Raises:
            OutboxFull: there is no room for them.
            OutboxFailed: the file cannot be written.
        """
        rows = [(str(call.event_id), call.data, call.digest, call.description) for call in calls]
        with self._open() as file:
            if len(rows) + _count(file) > self._limit:
                raise OutboxFull
            file.executemany(
                "insert into waiting (event_id, data, digest, description) values (?, ?, ?, ?)", rows
            )

    def oldest(self, most: int) -> list[tuple[int, Call]]:
        """The first of them, each with its number."""
        with self._open() as file:
            rows = file.execute(
                "select number, event_id, data, digest, description from waiting order by number limit ?",
                [most],
            ).fetchall()
        return [(number, Call(UUID(event_id), *fields)) for number, event_id, *fields in rows]

    def remove(self, numbers: Sequence[int]) -> None:
        """They are on the queue."""
        with self._open() as file:
            file.executemany("delete from waiting where number = ?", [(number,) for number in numbers])

    def __len__(self) -> int:
        with self._open() as file:
            return _count(file)

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            file = sqlite3.connect(self.path, timeout=_PATIENCE)
            try:
                with file:
                    file.execute("pragma journal_mode = wal")
                    file.execute(_TABLE)
                    yield file
            finally:
                file.close()
        except (sqlite3.Error, OSError) as error:
            raise OutboxFailed from error


def _count(file: sqlite3.Connection) -> int:
    (count,) = file.execute("select count(*) from waiting").fetchone()
    return int(count)
