"""``botlive publish``: events from NDJSON, each good line published, each bad one reported."""

import os
import stat
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from typing import Annotated, BinaryIO

import typer
from rich.progress import Progress

from events import AnyEvent, InvalidEvent, InvalidRedisUrl, Publisher, PublishError
from events.publishing.cause import cause_of
from gateway.errors import InvalidSetting
from operations import ndjson
from operations.output import Screen, report, say

_CHUNK = 500  # events between two counts of what Redis confirmed
_NOT_CONFIRMED = 3  # exit code
_PATIENCE = 10.0  # seconds: a person at a terminal waits longer than a chat


@dataclass(slots=True)
class Tally:
    """How many events went which way."""

    published: int = 0
    refused: int = 0


def publish(
    file: Annotated[
        typer.FileBinaryRead, typer.Argument(metavar="FILE|-", help="NDJSON: one event a line; - is stdin.")
    ],
) -> None:
    """Publish the events of an NDJSON file.

    A bad line is reported as "line 7: amount: …" and never published; the others are.

    Where BOTLIVE_OUTBOX names a file, what Redis does not confirm is kept there.

    The exit code is 1 if a line was bad, 3 if Redis (or the outbox) did not take the events.
    """
    tally = Tally()
    try:
        with _publisher() as publisher, _progress(file) as lines:
            _publish(publisher, _events(lines, tally), tally)
            waiting = publisher.waiting
    except PublishError as error:
        report(
            f"Redis did not confirm every event ({cause_of(error)}): {tally.published} are confirmed. "
            "Publish the same file again: what is on the queue already is persisted once"
        )
        raise typer.Exit(_NOT_CONFIRMED) from None
    kept = f"; {waiting} wait in the outbox" if waiting else ""
    say(f"published {tally.published}, refused {tally.refused}{kept}")
    raise typer.Exit(1 if tally.refused else 0)


def _publisher() -> Publisher:
    try:
        return Publisher.from_env(within=_PATIENCE)
    except InvalidRedisUrl as error:
        raise InvalidSetting("REDIS_URL", str(error).removeprefix("REDIS_URL ").rstrip(".")) from None


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
    """The file's lines; while they are read a terminal shows how far the reading is."""
    with Progress(console=Screen(stderr=True), disable=not sys.stderr.isatty(), transient=True) as progress:
        task = progress.add_task("publishing", total=_size(file))

        def advancing() -> Iterator[bytes]:
            for line in ndjson.lines(file):
                yield line
                progress.advance(task, len(line))

        yield advancing()


def _size(file: BinaryIO) -> int | None:
    """Bytes, or None where it is not known beforehand (a pipe)."""
    status = os.fstat(file.fileno())
    return status.st_size if stat.S_ISREG(status.st_mode) else None
