"""Files of events for ``botlive publish``, in which some lines are malformed."""

import re
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from tempfile import TemporaryFile
from typing import NamedTuple
from unittest.mock import patch
from uuid import UUID

from events import Event, Publisher
from events.publishing.call import Call
from events.publishing.keys import Keys
from operations.commands.publish import publish
from tests.fuzz import documents, samples
from tests.fuzz.capture import capture, exit_code
from tests.fuzz.dice import Dice
from tests.fuzz.target import Target, one_line
from worker.decode import read
from worker.persister import Delivery

REFUSAL = re.compile(r"line (\d+): (?:json|type|[\w?]+(?:\.[\w?]+)*): \S.*")
_KEYS = Keys("botlive")
_ENDINGS = (b"\n", b"\n", b"\n", b"\r\n", b"\n\n \n", b"\n\t\r\n")


class Line(NamedTuple):
    """A line of a file, and its line end."""

    content: bytes
    intact: str | None
    """The id of its event if the line is valid."""
    ending: bytes = b"\n"


def line(dice: Dice) -> Line:
    """Return a line, valid or not."""
    event = samples.event(dice)
    ending = dice.choice(_ENDINGS)
    if dice.chance(0.15):
        return Line(documents.written(documents.Steady(0), event), event["event_id"], ending)
    if dice.chance(0.001):
        return Line(b" " * dice.choice((999_998, 999_999, 3_500_000)) + b"{}", None, ending)
    return Line(documents.any_bytes(dice, event), None, ending)


def content(lines: Sequence[Line]) -> bytes:
    """Return the content of the file with these lines."""
    return b"".join(line.content + line.ending for line in lines)


def count(lines: Sequence[Line]) -> int:
    """Return the number of lines that are not empty, counted without the product."""
    return sum(bool(text.strip()) for text in content(lines).split(b"\n"))


class Recording(Publisher):
    """Records the calls instead of sending them to Redis."""

    def __init__(self) -> None:
        self.calls: list[Call] = []

    def publish_many(self, events: Iterable[Event]) -> list[UUID]:
        """Record the calls, encoded as redis-py would encode them."""
        calls = [Call.of(event) for event in events]
        for call in calls:
            "".join(call.arguments(_KEYS, call.own_id)).encode()
        self.calls += calls
        return [call.event_id for call in calls]

    def close(self) -> None:
        """Do nothing."""

    @property
    def waiting(self) -> int:
        """Always 0."""
        return 0


class Lines(Target):
    """Every line is published, or refused with its number and field. Valid lines are published."""

    name, share, group = "lines", 370, 25
    outcomes = frozenset({"published", "refused"})

    def enter(self, stack: ExitStack) -> None:
        """Replace the publisher."""
        self._publisher = Recording()
        stack.enter_context(patch.object(Publisher, "from_env", lambda **_: self._publisher))

    def make(self, dice: Dice) -> Line:
        """Create a line."""
        return line(dice)

    def check_all(self, cases: Sequence[Line]) -> Iterable[str]:
        """Publish a file with these lines."""
        self._publisher.calls = []
        with TemporaryFile() as stream, capture() as captured:
            stream.write(content(cases))
            stream.seek(0)
            code = exit_code(publish, stream)
        calls, refused = self._publisher.calls, captured.err.splitlines()
        for said in refused:
            one_line(said, "a refusal")
            assert REFUSAL.fullmatch(said), "a refusal names no line and field"
        assert captured.out == f"published {len(calls)}, refused {len(refused)}\n"
        assert len(calls) + len(refused) == count(cases), "a line is missing in the counts"
        assert code == (1 if refused else 0)
        assert {each.intact for each in cases} - {None} <= {call.own_id for call in calls}, (
            "a valid line was not published"
        )
        for call in calls:
            persistable(call)
        return ["published"] * len(calls) + ["refused"] * len(refused)


def persistable(call: Call) -> None:
    """Assert that a worker reads the same event from the job, and can convert it to rows."""
    event = read(call.data.encode())
    assert event.event_id == call.event_id, "the job has the id of another event"
    assert Call.of(event).fingerprint == call.fingerprint, "the job's event is not the one that was published"
    Delivery.of(call.own_id, event)
