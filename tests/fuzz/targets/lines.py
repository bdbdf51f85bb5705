"""``botlive publish``: files of events, some of whose lines are spoilt."""

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
from tests.fuzz.dice import Dice
from tests.fuzz.hearing import exit_code, hearing
from tests.fuzz.target import Target, one_line
from worker.decode import read
from worker.persister import Delivery

REFUSAL = re.compile(r"line (\d+): (?:json|type|[\w?]+(?:\.[\w?]+)*): \S.*")
_KEYS = Keys("botlive")
_ENDINGS = (b"\n", b"\n", b"\n", b"\r\n", b"\n\n \n", b"\n\t\r\n")


class Line(NamedTuple):
    """A line of a file, and what ends it."""

    content: bytes
    intact: str | None
    """The id of its event, where it is as it should be."""
    ending: bytes = b"\n"


def line(dice: Dice) -> Line:
    """A line, good or not."""
    event = samples.event(dice)
    ending = dice.choice(_ENDINGS)
    if dice.chance(0.15):
        return Line(documents.written(documents.Steady(0), event), event["event_id"], ending)
    if dice.chance(0.001):
        return Line(b" " * dice.choice((999_998, 999_999, 3_500_000)) + b"{}", None, ending)
    return Line(documents.any_bytes(dice, event), None, ending)


def content(lines: Sequence[Line]) -> bytes:
    """The file of these lines."""
    return b"".join(line.content + line.ending for line in lines)


def count(lines: Sequence[Line]) -> int:
    """How many of its lines say something: a reader's count, not the product's."""
    return sum(bool(text.strip()) for text in content(lines).split(b"\n"))


class Recording(Publisher):
    """Takes what Redis would."""

    def __init__(self) -> None:
        self.calls: list[Call] = []

    def publish_many(self, events: Iterable[Event]) -> list[UUID]:
        """As the publisher's, into memory."""
        calls = [Call.of(event) for event in events]
        for call in calls:
            "".join(call.arguments(_KEYS, call.own_id)).encode()  # as redis-py sends them
        self.calls += calls
        return [call.event_id for call in calls]

    def close(self) -> None:
        """Nothing is open."""

    @property
    def waiting(self) -> int:
        """There is no outbox."""
        return 0


class Lines(Target):
    """Every line is published or refused by its number and field; the good ones are published."""

    name, share, group = "lines", 370, 25
    outcomes = frozenset({"published", "refused"})

    def enter(self, stack: ExitStack) -> None:
        """With a publisher of ours in the place of the environment's."""
        self._publisher = Recording()
        stack.enter_context(patch.object(Publisher, "from_env", lambda **_: self._publisher))

    def make(self, dice: Dice) -> Line:
        """A line."""
        return line(dice)

    def check_all(self, cases: Sequence[Line]) -> Iterable[str]:
        """Publish the file of these lines."""
        self._publisher.calls = []
        with TemporaryFile() as stream, hearing() as heard:
            stream.write(content(cases))
            stream.seek(0)
            code = exit_code(publish, stream)
        calls, refused = self._publisher.calls, heard.err.splitlines()
        for said in refused:
            one_line(said, "a refusal")
            assert REFUSAL.fullmatch(said), "a refusal names no line and field"
        assert heard.out == f"published {len(calls)}, refused {len(refused)}\n"
        assert len(calls) + len(refused) == count(cases), "a line went missing"
        assert code == (1 if refused else 0)
        assert {each.intact for each in cases} - {None} <= {call.own_id for call in calls}, (
            "a good line is lost"
        )
        for call in calls:
            persistable(call)
        return ["published"] * len(calls) + ["refused"] * len(refused)


def persistable(call: Call) -> None:
    """A worker reads from the job the very event, and can say what it means for the tables."""
    event = read(call.data.encode())
    assert event.event_id == call.event_id, "the job is another event's"
    assert Call.of(event).fingerprint == call.fingerprint, "the job's event is not the one that was published"
    Delivery.of(call.own_id, event)
