"""Stores events that Redis did not confirm in an SQLite file. Several processes may share it."""

import glob
import logging
import random
import re
import sqlite3
import stat
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from hashlib import sha256
from pathlib import Path
from typing import Any, Self
from uuid import UUID

from events.contracts import TYPES
from events.errors import OutboxFailed, OutboxFull, PublishError
from events.publishing.call import Call
from events.publishing.coalescer import Group
from events.publishing.forks import Undivided

LIMIT = 100_000
"""Maximum number of events in the file: usually about 100 MB, and never more than 500 MB."""

_PATIENCE = 0.2  # seconds that a writer waits for another process
_PAUSE = 0.002  # maximum seconds between two attempts of a writer
_PAGES = 125_000  # of 4 KiB each: limits the size of the file, whatever the size of the events
_TABLE = """
create table if not exists waiting (
  number integer primary key autoincrement, event_id text not null, data text not null,
  digest text not null, description text not null
)
"""  # autoincrement never reuses a number: another process may be about to remove that number
_UUID, _DIGEST = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"), re.compile("[0-9a-f]{16}")
_OWNER = stat.S_IRUSR | stat.S_IWUSR
_log = logging.getLogger("botlive.events")
_undivided = Undivided()  # because SQLite does not survive a fork while a file is open


class Outbox:
    """Events in their order of arrival. Each call opens the file, so threads and forks share nothing."""

    def __init__(self, path: Path, *, limit: int = LIMIT) -> None:
        self.path = path.absolute()  # the host may change its working directory
        self.limit = limit
        """Maximum number of events."""
        self._is_private = False

    @classmethod
    def named(cls, name: str) -> Self:
        """Return the outbox with this file. A leading ``~`` means a home directory, as in a shell."""
        path = Path(name)
        with suppress(RuntimeError):  # there is no such user, so the ~ is part of the name
            path = path.expanduser()
        return cls(path)

    def add(self, groups: Sequence[Group]) -> Sequence[PublishError | None]:
        """Store the groups durably in one transaction. Return each one's error, or None."""
        try:
            with self._open() as file:
                _begin(file)
                return [self._add(file, group) for group in groups]
        except PublishError as error:
            return [error] * len(groups)

    def oldest(self, most: int) -> list[tuple[int, Call]]:
        """Return the oldest events, at most ``most``, each with its number.

        They include rows that another program wrote. These go to the queue unchanged, and a worker moves
        them to the failed registry. So they do not block the others, and they are not lost.

        Raises:
            OutboxFailed: the file cannot be read.
        """
        with self._open() as file:
            file.text_factory = _text
            rows = file.execute(
                "select number, event_id, data, digest, description from waiting order by number limit ?",
                [most],
            ).fetchall()
            return [(number, _call(*map(_text, fields))) for number, *fields in rows]

    def remove(self, numbers: Sequence[int]) -> None:
        """Remove the events with these numbers, which are now on the queue.

        Raises:
            OutboxFailed: the file cannot be written.
        """
        with self._open() as file:
            _begin(file)
            file.executemany("delete from waiting where number = ?", [(number,) for number in numbers])

    def replace(self, changes: Sequence[tuple[int, str]]) -> None:
        """Replace the data of the events with these numbers, and leave no copy of the old data in the file.

        Raises:
            OutboxFailed: the file cannot be written.
        """
        with self._open() as file:
            file.execute("pragma secure_delete = on")
            _begin(file)
            file.executemany(
                "update waiting set data = ? where number = ?", [(data, number) for number, data in changes]
            )
            file.execute("commit")
            file.execute("pragma wal_checkpoint(truncate)")

    def __len__(self) -> int:
        with self._open() as file:
            (count,) = file.execute("select count(*) from waiting").fetchone()
        return int(count)

    def _add(self, file: sqlite3.Connection, group: Group) -> PublishError | None:
        # count(*) would read the whole file. The oldest events are removed first, so the span is the number.
        (span,) = file.execute("select max(number) - min(number) + 1 from waiting").fetchone()
        if len(group) + (span or 0) > self.limit:
            return OutboxFull()
        rows = [(str(call.event_id), call.data, call.fingerprint, call.description) for call in group]
        file.executemany(
            "insert into waiting (event_id, data, digest, description) values (?, ?, ?, ?)", rows
        )
        return None

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        with _undivided, _translated_errors():
            self._make()
            file = sqlite3.connect(self.path, timeout=_PATIENCE, isolation_level=None)
            try:
                with file:
                    with suppress(sqlite3.OperationalError):  # another process uses the file
                        file.execute("pragma journal_mode = wal")
                    file.execute(f"pragma max_page_count = {_PAGES}")
                    file.execute(_TABLE)
                    yield file
            finally:
                file.close()

    def _make(self) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        if not self.path.exists():
            self.path.touch(mode=0o600)  # it contains phone numbers of customers
        if not self._is_private:
            # SQLite creates its other files with the mode of this file. Older ones may have another mode.
            real = self.path.resolve()
            for path in [real, *real.parent.glob(f"{glob.escape(real.name)}[-.~]*")]:
                _make_private(path)
            self._is_private = True


def _make_private(path: Path) -> None:
    """Let only the owner read and write the file. A link is skipped: its target is not part of the outbox."""
    try:
        status = path.lstat()
        if stat.S_ISREG(status.st_mode) and stat.S_IMODE(status.st_mode) & ~_OWNER:
            path.chmod(stat.S_IMODE(status.st_mode) & _OWNER)
    except FileNotFoundError:  # SQLite has just deleted it
        return
    except OSError:
        _log.warning(
            "others can read %s, which belongs to another user: its owner must run `chmod 600` on it", path
        )


def _text(value: Any) -> str:
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value)


def _call(event_id: str, data: str, digest: str, description: str) -> Call:
    """Return the call of the row. If its id is not valid, it gets another one, the same at each delivery."""
    content = sha256(f"{event_id}\n{data}".encode()).hexdigest()
    return Call(
        UUID(event_id) if _UUID.fullmatch(event_id) else UUID(content[:32]),
        data,
        digest if _DIGEST.fullmatch(digest) else content[:16],
        description if description in TYPES else "event",
    )


def _begin(file: sqlite3.Connection) -> None:
    """Begin a write transaction. SQLite itself would retry too rarely if other processes write often."""
    deadline = time.monotonic() + _PATIENCE
    while not _has_begun(file):
        if time.monotonic() > deadline:
            raise sqlite3.OperationalError("database is locked")
        time.sleep(random.uniform(0, _PAUSE))  # noqa: S311 # not a secret: it avoids retries in step with others


def _has_begun(file: sqlite3.Connection) -> bool:
    file.execute("pragma busy_timeout = 0")
    try:
        file.execute("begin immediate")
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY:  # the higher bits are the extended code
            raise
        return False
    finally:
        file.execute(f"pragma busy_timeout = {int(_PATIENCE * 1000)}")
    return True


@contextmanager
def _translated_errors() -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        full = getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_FULL
        raise (OutboxFull if full else OutboxFailed) from error
    except (OSError, ValueError) as error:  # a ValueError comes from a row of another program
        raise OutboxFailed from error
