"""Groups failed events by their reason, and cuts a list into pages."""

from collections.abc import Sequence
from datetime import UTC, datetime
from functools import lru_cache
from typing import NamedTuple

import redis

from operations.failed.job import FailedJob
from operations.failed.known import KnownFailures

_PER_PAGE = 50
_LONG_AGO = datetime.min.replace(tzinfo=UTC)


class ReasonGroup(NamedTuple):
    """The failed events with one kind of reason."""

    kind: str
    failures: Sequence[FailedJob]
    """The newest first; at least one."""

    @property
    def newest(self) -> FailedJob:
        """The event that failed last."""
        return self.failures[0]


class Page(NamedTuple):
    """A part of a list."""

    failures: Sequence[FailedJob]
    number: int
    """The first page is 1."""
    pages: int
    total: int


@lru_cache(maxsize=8)
def memory(connection: redis.Redis, queue: str) -> KnownFailures:
    """Return what was read of the queue before: an open page is read again every few seconds."""
    return KnownFailures(connection, queue)


def newest_first(connection: redis.Redis, queue: str) -> list[FailedJob]:
    """Return all failed events of the queue as they are now."""
    return sorted(
        memory(connection, queue).all(), key=lambda failure: failure.failed_at or _LONG_AGO, reverse=True
    )


def grouped(failures: Sequence[FailedJob]) -> list[ReasonGroup]:
    """Group the events by the kind of their reason; the largest group comes first."""
    groups: dict[str, list[FailedJob]] = {}
    for failure in failures:
        groups.setdefault(failure.reason.kind, []).append(failure)
    return sorted((ReasonGroup(*item) for item in groups.items()), key=lambda group: -len(group.failures))


def page(failures: Sequence[FailedJob], number: int) -> Page:
    """Return the page with this number, or the nearest that exists."""
    pages = max(1, -(-len(failures) // _PER_PAGE))
    number = min(max(1, number), pages)
    start = (number - 1) * _PER_PAGE
    return Page(failures[start : start + _PER_PAGE], number, pages, len(failures))
