"""A chat's outbox as the commands read it."""

from events.errors import OutboxFailed
from events.publishing.outbox import Outbox
from gateway.errors import InvalidSetting


def waiting(outbox: Outbox) -> int:
    """Return the number of events in the outbox.

    Raises:
        InvalidSetting: its file cannot be read.
    """
    try:
        return len(outbox)
    except OutboxFailed:
        raise InvalidSetting("BOTLIVE_OUTBOX", "the file cannot be read, or is not an outbox") from None
