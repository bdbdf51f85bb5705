"""``botlive status``: shows the events on the queue and the workers."""

import json
from collections.abc import Iterator
from typing import Annotated

import typer

from gateway.settings import QueueSettings
from operations import status as queue_status
from operations.output import report, say
from operations.terminal import redis_at


def status(
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Show how many events wait on the queue BOTLIVE_QUEUE, since when, and what its workers do.

    It only reads: it runs no clean-up of RQ and calls no function of a job. Ages are in seconds. Redis keys
    of the wrong type are reported on stderr.

    The exit code is 0 in every state of the queue, and 1 or 2 if Redis cannot be read.
    """
    settings = QueueSettings.from_env()
    with redis_at(settings.redis_url) as connection:
        found = queue_status.read(connection, settings.queue)
    if as_json:
        say(json.dumps(found.to_dict()))
    for line in () if as_json else _lines(found):
        say(line)
    for reason in found.wrong_keys:
        report(reason)


def _lines(found: queue_status.Status) -> Iterator[str]:
    suspended = ", suspended by `rq suspend`" if found.is_suspended else ""
    yield f"queue {found.queue}{suspended}"
    put_off = f" ({found.put_off} in overflow queues of shops)" if found.put_off else ""
    yield f"waiting       {found.waiting}{put_off}"
    yield f"waiting apart {found.apart}"
    yield f"claimed       {found.started}"
    reasons = ", ".join(f"{name} {count}" for name, count in found.failed.items())
    yield f"failed        {sum(found.failed.values())}{': ' if reasons else ''}{reasons}"
    yield f"oldest        {_seconds(found.oldest)}"
    yield f"workers       {len(found.workers)}"
    for worker in found.workers:
        done = f"{worker.finished} finished, {worker.failed} failed"
        seen = f"last heartbeat {_seconds(worker.heartbeat)} ago"
        reason = f": {worker.reason}" if worker.reason else ""
        yield f"  {worker.name} {worker.state}, {done}, {seen}{reason}"


def _seconds(age: float | None) -> str:
    return "-" if age is None else f"{age:.0f} s"
