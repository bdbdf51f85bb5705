"""``botlive outbox``: what waits in a chat's outbox, also if that process never returns."""

import os
from pathlib import Path

import typer

from events import Publisher
from events.outbox import LIMIT, Outbox
from worker.errors import MissingSetting

_PATIENCE = 10.0  # seconds: a person at a terminal waits longer than a chat

app = typer.Typer(no_args_is_help=True, pretty_exceptions_enable=False)


@app.command()
def status() -> None:
    """Say how many events wait in the file BOTLIVE_OUTBOX, and how many it may hold."""
    print(f"{len(_outbox())} of at most {LIMIT} events wait")


@app.command()
def drain() -> None:
    """Bring what waits there to the queue of REDIS_URL."""
    waiting = len(_outbox())
    with Publisher.from_env(within=_PATIENCE) as publisher:
        publisher.drain()  # not its count: the publisher delivers in the background too
    print(f"delivered {waiting}")


def _outbox() -> Outbox:
    name = os.environ.get("BOTLIVE_OUTBOX")
    if not name:
        raise MissingSetting("BOTLIVE_OUTBOX")
    return Outbox(Path(name))
