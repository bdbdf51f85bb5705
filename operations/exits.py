"""The exit codes of the commands. docs/commands.md says when each command ends with which."""

from enum import IntEnum


class ExitCode(IntEnum):
    """How a command ended."""

    DONE = 0
    FAILED = 1
    """It failed, or a part of what it was asked for did. ``botlive doctor``: there are warnings."""
    WRONG_CALL = 2
    """Its arguments, settings or installation are wrong. ``botlive doctor``: there are failures."""
    NOT_CONFIRMED = 3
    """``botlive publish``: neither Redis nor the outbox accepted every event."""
    INTERRUPTED = 130
    """By Ctrl-C: 128 and the number of SIGINT, as in a shell."""
