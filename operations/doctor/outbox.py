"""Checks of a chat's outbox."""

from collections.abc import Iterator

from events.errors import OutboxFailed
from events.publishing.outbox import LIMIT, Outbox
from operations.doctor.result import Fix, Result, failure, ok, warning
from operations.outbox import count

_FULL = 0.5  # of the outbox's limit


def check(name: str) -> Iterator[Result]:
    """Check how full the outbox is, and who may read its file."""
    outbox = Outbox.named(name)
    try:
        waiting = count(outbox)
    except OutboxFailed:
        yield failure(
            "outbox",
            "the file cannot be read, or is no outbox",
            "check its rights, and that BOTLIVE_OUTBOX names it",
        )
        return
    if waiting is None:
        yield ok("outbox", "there is no file yet: the chat makes it when Redis is away")
        return
    words = f"{waiting} of at most {LIMIT} events wait"
    cure = "see that the chat reaches Redis; `botlive outbox drain` delivers them from here"
    if waiting > _FULL * LIMIT:
        yield failure("outbox", words, cure, Fix.DRAIN)
    elif waiting:
        yield warning("outbox", words, cure, Fix.DRAIN)
    else:
        yield ok("outbox", words)
    if outbox.path.stat().st_mode & 0o077:
        yield warning("outbox", "other users may read the file, which holds customers' data", "chmod 600 it")
