"""A chat's outbox as the commands read it."""

from events.errors import OutboxFailed
from events.publishing.outbox import Outbox
from gateway.errors import InvalidSetting


def count(outbox: Outbox) -> int | None:
    """Return the number of events in the outbox, or None if there is no file yet.

    Raises:
        OutboxFailed: its file cannot be read.
    """
    try:
        return len(outbox) if outbox.path.exists() else None
    except OSError:  # the name is too long, or this user may not enter the folder
        raise OutboxFailed from None


def waiting(outbox: Outbox) -> int | None:
    """Do the same for a command, which needs the setting BOTLIVE_OUTBOX to be right.

    Raises:
        InvalidSetting: its file cannot be read.
    """
    try:
        return count(outbox)
    except OutboxFailed:
        raise InvalidSetting("BOTLIVE_OUTBOX", "the file cannot be read, or is not an outbox") from None
