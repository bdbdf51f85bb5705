"""``botlive outbox``: what waits in a chat's outbox, also if that process never returns."""

import typer

from events import Publisher
from events.errors import OutboxFailed, PublishError
from events.publishing.outbox import LIMIT, Outbox
from gateway.errors import InvalidSetting
from gateway.settings import OutboxSettings
from operations.output import say
from operations.terminal import fault

_PATIENCE = 10.0  # seconds: a person at a terminal waits longer than a chat

app = typer.Typer(no_args_is_help=True, pretty_exceptions_enable=False)


@app.command()
def status() -> None:
    """Say how full the file BOTLIVE_OUTBOX is."""
    say(f"{_waiting(_outbox())} of at most {LIMIT} events wait")


@app.command()
def drain() -> None:
    """Bring what waits there to the queue of REDIS_URL."""
    outbox = _outbox()
    before = _waiting(outbox)
    try:
        with Publisher.from_env(within=_PATIENCE) as publisher:
            publisher.drain()
    except PublishError as error:
        raise fault(error, f"{_waiting(outbox)} events wait on in the outbox") from None
    # Not what drain counts: the publisher delivers in the background too.
    say(f"delivered {max(0, before - _waiting(outbox))}")


def _outbox() -> Outbox:
    outbox = Outbox.named(OutboxSettings.from_env().outbox)
    if not outbox.path.exists():
        raise InvalidSetting("BOTLIVE_OUTBOX", "there is no such file: the chat makes it when Redis is away")
    return outbox


def _waiting(outbox: Outbox) -> int:
    try:
        return len(outbox)
    except OutboxFailed:
        raise InvalidSetting("BOTLIVE_OUTBOX", "the file cannot be read, or is no outbox") from None
