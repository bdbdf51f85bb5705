"""Where events wait that Redis did not confirm: one SQLite file, safe for several processes."""

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
"""Events that the file may hold; some 100 MB of plain ones, 500 MB at most."""

_PATIENCE = 0.2  # seconds that a writer waits for another process
_PAUSE = 0.002  # seconds at most after which he asks again
_PAGES = 125_000  # of 4 KiB: the file's size is bounded too, whatever the size of an event
_TABLE = """
create table if not exists waiting (
  number integer primary key autoincrement, event_id text not null, data text not null,
  digest text not null, description text not null
)
"""  # a number is never used again: another process may be about to remove the one that had it
_UUID, _DIGEST = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"), re.compile("[0-9a-f]{16}")
_OWNER = stat.S_IRUSR | stat.S_IWUSR
_log = logging.getLogger("botlive.events")
_at_work = Undivided()  # SQLite's own state does not outlive a fork


class Outbox:
    """Events in the order they came. Each call opens the file anew: threads and forks share nothing."""

    def __init__(self, path: Path, *, limit: int = LIMIT) -> None:
        self.path = path.absolute()  # the host may change its working directory
        self.limit = limit
        """Events that it may hold."""
        self._is_private = False

    @classmethod
    def named(cls, name: str) -> Self:
        """The outbox of that file; a ``~`` is the home of a user, as in a shell."""
        path = Path(name)
        with suppress(RuntimeError):  # nobody's home: then it is a name like any other
            path = path.expanduser()
        return cls(path)

    def add(self, groups: Sequence[Group]) -> Sequence[PublishError | None]:
        """Keep them, durably, in one transaction; for each group the error where it was not, or None."""
        try:
            with self._open() as file:
                _begin(file)
                return [self._add(file, group) for group in groups]
        except PublishError as error:
            return [error] * len(groups)

    def oldest(self, most: int) -> list[tuple[int, Call]]:
        """The first of them, each with its number.

        A row that no outbox wrote is among them: what it holds goes to the queue as it is, and a worker
        refuses it in sight of people. So it neither holds up the others nor is lost.

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
        """They are on the queue.

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
        # Not counted: that would read the whole file. It is emptied from its head, so this is the same.
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
        with _at_work, _told():
            self._make()
            file = sqlite3.connect(self.path, timeout=_PATIENCE, isolation_level=None)
            try:
                with file:
                    with suppress(sqlite3.OperationalError):  # another process is at it just now
                        file.execute("pragma journal_mode = wal")
                    file.execute(f"pragma max_page_count = {_PAGES}")
                    file.execute(_TABLE)
                    yield file
            finally:
                file.close()

    def _make(self) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        if not self.path.exists():
            self.path.touch(mode=0o600)  # it holds customers' numbers
        if not self._is_private:
            # SQLite gives what it makes beside the file the file's own mode; copies may be older.
            real = self.path.resolve()
            for path in [real, *real.parent.glob(f"{glob.escape(real.name)}[-.~]*")]:
                _make_private(path)
            self._is_private = True


def _make_private(path: Path) -> None:
    """Let its owner alone read and write it, where it is a file; what a link names is not of the outbox."""
    try:
        status = path.lstat()
        if stat.S_ISREG(status.st_mode) and stat.S_IMODE(status.st_mode) & ~_OWNER:
            path.chmod(stat.S_IMODE(status.st_mode) & _OWNER)
    except FileNotFoundError:  # SQLite has just taken it away
        return
    except OSError:
        _log.warning("others can read %s, and it is another user's: its owner has to `chmod 600` it", path)


def _text(value: Any) -> str:
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value)


def _call(event_id: str, data: str, digest: str, description: str) -> Call:
    """The row's call; one that cannot be ours gets an id of its own, the same at each delivery."""
    content = sha256(f"{event_id}\n{data}".encode()).hexdigest()
    return Call(
        UUID(event_id) if _UUID.fullmatch(event_id) else UUID(content[:32]),
        data,
        digest if _DIGEST.fullmatch(digest) else content[:16],
        description if description in TYPES else "event",
    )


def _begin(file: sqlite3.Connection) -> None:
    """Begin to write. SQLite itself would ask ever more rarely, and a busy neighbour be there first."""
    deadline = time.monotonic() + _PATIENCE
    while not _has_begun(file):
        if time.monotonic() > deadline:
            raise sqlite3.OperationalError("database is locked")
        time.sleep(random.uniform(0, _PAUSE))  # noqa: S311 - out of step with the neighbour, no secret


def _has_begun(file: sqlite3.Connection) -> bool:
    file.execute("pragma busy_timeout = 0")
    try:
        file.execute("begin immediate")
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY:  # which has kinds, in the higher bits
            raise
        return False
    finally:
        file.execute(f"pragma busy_timeout = {int(_PATIENCE * 1000)}")
    return True


@contextmanager
def _told() -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        full = getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_FULL
        raise (OutboxFull if full else OutboxFailed) from error
    except (OSError, ValueError) as error:  # a ValueError is a row that no outbox wrote
        raise OutboxFailed from error
