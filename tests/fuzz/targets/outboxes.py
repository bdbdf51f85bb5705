"""Outbox files that are damaged, have another schema, or have rows of another program."""

import sqlite3
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack, closing
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

from events import PublishError, parse_event
from events.errors import OutboxFailed, OutboxFull
from events.publishing.call import Call
from events.publishing.courier import Courier
from events.publishing.outbox import Outbox
from events.publishing.queue import Queue
from gateway.errors import EventRefused
from tests.fuzz import documents, samples
from tests.fuzz.capture import capture
from tests.fuzz.dice import Dice
from tests.fuzz.target import Target, no_canary
from worker.decode import read

_MEMORY = Path("/dev/shm")  # noqa: S108 # memory, because the disk is slow
_OTHER_TABLES = (
    "create table waiting (number integer primary key, event_id blob)",
    "create table waiting (a, b, c)",
    "create view waiting as select 1 as number, 2 as event_id, 3 as data, 4 as digest, 5 as description",
    "create table waiting (number text, event_id, data, digest, description)",
)


class Damaged(NamedTuple):
    """A file with events, and what is changed in it."""

    calls: Sequence[Call]
    rows: Sequence[tuple[Any, ...]]
    """Rows of another program."""
    tear: Callable[[bytes], bytes] | None
    schema: str | None
    late: Call


class Taking(Queue):
    """A queue that records all calls."""

    def __init__(self) -> None:
        self.calls: list[Call] = []

    def put(self, calls: Sequence[Call]) -> None:
        """Record the calls, encoded as redis-py would encode them."""
        for call in calls:
            "".join((call.own_id, call.contested_id, call.data, call.fingerprint, call.description)).encode()
        self.calls += calls


class Outboxes(Target):
    """All readable rows are delivered, including foreign ones. Otherwise OutboxFailed is raised."""

    name, share = "outboxes", 15
    outcomes = frozenset({"delivered", "delivered as it is", "cannot be read", "kept", "not kept"})

    def open(self, stack: ExitStack) -> None:
        """Create a folder."""
        self._folder = Path(
            stack.enter_context(TemporaryDirectory(dir=_MEMORY if _MEMORY.exists() else None))
        )

    def make(self, dice: Dice) -> Damaged:
        """Create a file."""
        calls = [_call(dice) for _ in range(dice.randrange(4))]
        rows = [tuple(_cell(dice) for _ in range(4)) for _ in range(dice.choice((0, 0, 1, 2)))]
        seed = dice.random()
        tear = (lambda data: _torn(Dice(seed), data)) if dice.chance(0.4) else None
        return Damaged(
            calls, rows, tear, dice.choice(_OTHER_TABLES) if dice.chance(0.05) else None, _call(dice)
        )

    def check(self, case: Damaged) -> Iterable[str]:
        """Deliver the events of the file, and add one more."""
        for old in self._folder.iterdir():
            old.unlink()
        path = self._folder / "outbox.db"
        rows = _prepare(path, case)
        outbox, queue = Outbox(path), Taking()
        with capture() as captured:
            courier = Courier(outbox, queue)
            outcomes = [*self._drain(courier, queue, case, rows), self._keep(outbox, case.late)]
            courier.stop()
        no_canary(captured.all, "the log")
        return outcomes

    def _drain(self, courier: Courier, queue: Taking, case: Damaged, rows: int) -> Iterable[str]:
        try:
            courier.drain()
        except PublishError as error:
            return [_unread(error, case)]
        if not case.tear and not case.schema:
            assert {*case.calls} <= {*queue.calls}, "an event is lost"
            assert len(queue.calls) == len(case.calls) + rows, "a row is lost, or delivered twice"
            assert courier.waiting == 0
        return [_judged(call) for call in queue.calls]

    def _keep(self, outbox: Outbox, call: Call) -> str:
        [refused] = outbox.add([[call]])
        assert refused is None or isinstance(refused, OutboxFailed | OutboxFull)
        return "not kept" if refused else "kept"


def _unread(error: PublishError, case: Damaged) -> str:
    no_canary(str(error), "an error")
    assert isinstance(error, OutboxFailed | OutboxFull)
    assert case.tear or case.schema, "an undamaged file cannot be read"
    return "cannot be read"


def _judged(call: Call) -> str:
    try:
        read(call.data.encode())
    except EventRefused as error:
        no_canary(error.report, "a refusal")
        return "delivered as it is"
    return "delivered"


def _prepare(path: Path, case: Damaged) -> int:
    """Write the file of the case, and return the number of foreign rows that SQLite accepted."""
    taken = 0
    if case.schema:
        with closing(sqlite3.connect(path)) as file:
            file.execute(case.schema)
        return 0
    Outbox(path).add([case.calls])
    with closing(sqlite3.connect(path)) as file:
        for row in case.rows:
            try:
                file.execute(
                    "insert into waiting (event_id, data, digest, description) values (?, ?, ?, ?)", row
                )
                taken += 1
            except (sqlite3.Error, UnicodeEncodeError, OverflowError):
                continue  # SQLite refuses such a row
        file.commit()
        file.execute("pragma wal_checkpoint(truncate)")
    if case.tear:
        path.write_bytes(case.tear(path.read_bytes()))
    return taken


def _call(dice: Dice) -> Call:
    return Call.of(parse_event(documents.written(documents.Steady(0), samples.event(dice, "shop"))))


def _cell(dice: Dice) -> Any:
    return dice.choice(
        (dice.text(), dice.value(), dice.text().encode("utf-8", "replace"), b"\xff\0", 5, None, 2.5, "a" * 36)
    )


def _torn(dice: Dice, data: bytes) -> bytes:
    torn = bytearray(data)
    match dice.randrange(5):
        case 0:
            return data[: dice.randrange(len(data) + 1)]
        case 1:
            page = dice.randrange(max(1, len(data) // 4096)) * 4096
            torn[page : page + 4096] = bytes(4096)
        case 2:
            return documents.broken(dice, data)
        case _:
            for _ in dice.some(40):
                torn[dice.randrange(len(torn))] = dice.randrange(256)
    return bytes(torn)
