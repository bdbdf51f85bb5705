"""Selects failed events for the commands of ``botlive failures``."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import typer

from gateway.settings import QueueSettings
from operations.exits import ExitCode
from operations.failed.job import FailedJob
from operations.failed.registry import FailedRegistry
from operations.logs import configure
from operations.output import report
from operations.terminal import redis_at
from worker.control import reporting_wrong_keys


@contextmanager
def opened(*, logging: bool = False) -> Iterator[FailedRegistry]:
    """Open the failed registry of BOTLIVE_QUEUE; ``logging`` also writes to the log file."""
    settings = QueueSettings.from_env()
    if logging:
        configure(settings.log_dir)
    with redis_at(settings.redis_url) as connection, reporting_wrong_keys(connection, settings.queue):
        yield FailedRegistry(connection, settings.queue)


def selected(
    registry: FailedRegistry, reason: str | None = None, company: str | None = None
) -> Iterator[FailedJob]:
    """Yield the events of that company whose reason contains the text."""
    part = (reason or "").casefold()
    for failure in registry.all():
        if part in str(failure.reason).casefold() and company in {None, failure.company_id}:
            yield failure


def choose_one(*ways: object) -> None:
    """Refuse a call that selects events in no way or in several ways."""
    if sum(map(bool, ways)) != 1:
        raise typer.BadParameter(
            "name IDs, or use options to select the events, but not both", param_hint="the selection"
        )


def refuse(absent: Iterable[str], *, also: bool = False) -> None:
    """Report the absent ids, and exit with code 1 if there are any, or if ``also``."""
    missing = sorted(absent)
    for job_id in missing:
        report(f"{job_id} is not in the failed registry")
    if missing or also:
        raise typer.Exit(ExitCode.FAILED)
