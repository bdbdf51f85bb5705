"""``botlive status``: shows the events on the queue and the workers, once or again and again."""

import json
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from typing import Annotated

import typer
from rich.live import Live
from rich.text import Text

from gateway.settings import QueueSettings
from operations import status as queue_status
from operations import streams
from operations.examples import examples
from operations.output import Screen, report, say
from operations.terminal import redis_at
from operations.watch import Look, looks

_SECONDS = 2.0

EPILOG = examples("botlive status", "botlive status --watch 5", "botlive status --json | jq .waiting")


def status(
    seconds: Annotated[
        float | None,
        typer.Argument(
            metavar="[SECONDS]", min=0.1, help="With --watch: the time between two looks; 2 by default."
        ),
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON object; with --watch one per look.")
    ] = False,
    watch: Annotated[bool, typer.Option("--watch", help="Look again and again, until Ctrl-C.")] = False,
) -> None:
    """Show how many events wait on the queue BOTLIVE_QUEUE, since when, and what its workers do.

    It only reads: it runs no clean-up of RQ and calls no function of a job. Ages are in seconds. Redis keys
    of the wrong type are reported on stderr.

    With --watch it also shows the events per second, the shops with the most waiting events, and whether the
    circuit breaker is open. If stdout is not a terminal, it prints one line per look.

    The exit code is 0 in every state of the queue and after Ctrl-C, and 1 or 2 if Redis cannot be read.
    """
    if seconds is not None and not watch:
        raise typer.BadParameter("is only for --watch", param_hint="SECONDS")
    settings = QueueSettings.from_env()
    with redis_at(settings.redis_url) as connection:
        if watch:
            _watch(looks(connection, settings.queue, seconds or _SECONDS), as_json)
            return
        found = queue_status.read(connection, settings.queue)
    if as_json:
        say(json.dumps(found.to_dict()))
    for line in () if as_json else _lines(found):
        say(line)
    for reason in found.wrong_keys:
        report(reason)


def _watch(seen: Iterator[Look], as_json: bool) -> None:
    with suppress(KeyboardInterrupt):
        if sys.stdout.isatty() and not as_json:
            with Live(
                console=Screen(), auto_refresh=False, redirect_stdout=False, redirect_stderr=False
            ) as live:
                for look in seen:
                    live.update(Text("\n".join(_view(look)), overflow="ellipsis", no_wrap=True), refresh=True)
        for look in seen:
            say(json.dumps(look.to_dict()) if as_json else _line(look))
            sys.stdout.flush()
            if streams.is_closed():
                return


def _view(look: Look) -> Iterator[str]:
    """Yield the lines of the live view."""
    yield f"{look.at:%H:%M:%S} UTC"
    if not look.status:
        yield look.error or ""
        return
    yield from _lines(look.status)
    yield f"rate          {_per_second(look.rate)}"
    yield f"breaker       {_breaker(look)}"
    for shop in look.shops:
        yield f"  {shop.waiting} waiting of shop {shop.company_id}"
    yield from look.status.wrong_keys


def _line(look: Look) -> str:
    """Return one look in one line."""
    found = look.status
    if not found:
        return f"{look.at:%H:%M:%S} {look.error}"
    states = Counter(worker.state for worker in found.workers)
    parts = {
        "waiting": found.waiting,
        "apart": found.apart,
        "claimed": found.started,
        "failed": sum(found.failed.values()),
        "oldest": _seconds(found.oldest),
        "rate": _per_second(look.rate),
        "breaker": _breaker(look),
        "workers": ", ".join(f"{count} {state}" for state, count in sorted(states.items())) or "none",
    }
    return f"{look.at:%H:%M:%S} " + "; ".join(f"{name} {value}" for name, value in parts.items())


def _breaker(look: Look) -> str:
    return f"open in {look.held} workers" if look.held else "closed"


def _per_second(rate: float | None) -> str:
    return "-" if rate is None else f"{rate:g} events/s"


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
