"""``botlive publish``: publishes the events of an NDJSON file and reports invalid lines."""

import os
import stat
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from typing import BinaryIO

import typer
from rich.progress import Progress

from events import AnyEvent, InvalidEvent, InvalidRedisUrl, Publisher, PublishError
from events.errors import OutboxFailed
from events.publishing.cause import cause_of
from gateway.errors import InvalidSetting
from operations import ndjson
from operations.examples import examples
from operations.exits import ExitCode
from operations.output import Screen, report, say

_CHUNK = 500  # events published at once
_PATIENCE = 10.0  # seconds; a person at a terminal can wait longer than a chat

EPILOG = examples("botlive publish day.ndjson", "botlive publish - < day.ndjson")


@dataclass(slots=True)
class Tally:
    """The numbers of published and refused events."""

    published: int = 0
    refused: int = 0


def publish(file: ndjson.File) -> None:
    """Publish the events of an NDJSON file.

    An invalid line is reported, as in "line 7: amount: …", and not published; the others are published.

    If BOTLIVE_OUTBOX names a file, events that Redis does not confirm are kept there.

    The exit code is 1 if a line was invalid, 3 if neither Redis nor the outbox accepted all events.
    """
    tally = Tally()
    try:
        with _publisher() as publisher, _progress(file) as lines:
            _publish(publisher, _events(lines, tally), tally)
            kept = _kept(publisher)
    except PublishError as error:
        report(
            f"Redis did not confirm every event ({cause_of(error)}): {tally.published} are confirmed. "
            "Publish the same file again: events that are already on the queue are persisted only once"
        )
        raise typer.Exit(ExitCode.NOT_CONFIRMED) from None
    say(f"published {tally.published}, refused {tally.refused}{kept}")
    raise typer.Exit(ExitCode.FAILED if tally.refused else ExitCode.DONE)


def _publisher() -> Publisher:
    try:
        return Publisher.from_env(within=_PATIENCE)
    except InvalidRedisUrl as error:
        raise InvalidSetting("REDIS_URL", str(error).removeprefix("REDIS_URL ").rstrip(".")) from None


def _kept(publisher: Publisher) -> str:
    """Say what waits in the outbox. Every event is confirmed, so an outbox that cannot be read loses none."""
    try:
        return f"; {waiting} wait in the outbox" if (waiting := publisher.waiting) else ""
    except OutboxFailed:
        return "; the file BOTLIVE_OUTBOX cannot be read, or is not an outbox"


def _publish(publisher: Publisher, events: Iterator[AnyEvent], tally: Tally) -> None:
    while chunk := list(islice(events, _CHUNK)):
        tally.published += len(publisher.publish_many(chunk))


def _events(lines: Iterable[bytes], tally: Tally) -> Iterator[AnyEvent]:
    for number, line in enumerate(lines, start=1):
        try:
            if not ndjson.is_blank(line):
                yield ndjson.parsed(line)
        except InvalidEvent as error:
            tally.refused += 1
            report(f"line {number}: {error}")


@contextmanager
def _progress(file: BinaryIO) -> Iterator[Iterator[bytes]]:
    """Return the lines of the file; a terminal shows a progress bar while they are read."""
    with Progress(console=Screen(stderr=True), disable=not sys.stderr.isatty(), transient=True) as progress:
        task = progress.add_task("publishing", total=_size(file))

        def advancing() -> Iterator[bytes]:
            for line in ndjson.lines(file):
                yield line
                progress.advance(task, len(line))

        yield advancing()


def _size(file: BinaryIO) -> int | None:
    """Return the size in bytes, or None if it is unknown, as for a pipe."""
    status = os.fstat(file.fileno())
    return status.st_size if stat.S_ISREG(status.st_mode) else None
