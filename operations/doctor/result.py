"""The result of one check."""

from enum import StrEnum
from typing import NamedTuple


class Level(StrEnum):
    """How bad it is, the worst last."""

    OK = "ok"
    NOT_CHECKED = "not checked"
    WARNING = "warning"
    FAILURE = "failure"


class Fix(StrEnum):
    """What ``botlive doctor --fix`` may do by itself: commands that are safe to run at any time."""

    MIGRATE = "botlive migrate"
    DRAIN = "botlive outbox drain"


class Result(NamedTuple):
    """What a check found."""

    part: str
    """Of the installation: Redis, Supabase, database, queue, workers, outbox, versions."""
    level: Level
    what: str
    cure: str = ""
    fix: Fix | None = None

    def __str__(self) -> str:
        return f"{self.part}: {self.what}{f'; cure: {self.cure}' if self.cure else ''}"


def ok(part: str, what: str) -> Result:
    """The result of a check that found no fault."""
    return Result(part, Level.OK, what)


def not_checked(part: str, why: str, cure: str = "") -> Result:
    """The result of a check that could not be made."""
    return Result(part, Level.NOT_CHECKED, why, cure)


def warning(part: str, what: str, cure: str, fix: Fix | None = None) -> Result:
    """The result of a check that found what should be looked at soon."""
    return Result(part, Level.WARNING, what, cure, fix)


def failure(part: str, what: str, cure: str, fix: Fix | None = None) -> Result:
    """The result of a check that found what keeps events from the tables, or may lose them."""
    return Result(part, Level.FAILURE, what, cure, fix)
