"""``botlive outbox``: shows or delivers a chat's outbox, even if the chat process no longer exists."""

import typer

from events import Publisher
from events.errors import PublishError
from events.publishing.outbox import LIMIT, Outbox
from gateway.errors import InvalidSetting
from gateway.settings import OutboxSettings
from operations.examples import examples
from operations.outbox import waiting
from operations.output import say
from operations.terminal import fault

_PATIENCE = 10.0  # seconds; a person at a terminal can wait longer than a chat

_STATUS = "BOTLIVE_OUTBOX=/var/lib/botlive/outbox.db botlive outbox status"
_DRAIN = "BOTLIVE_OUTBOX=/var/lib/botlive/outbox.db botlive outbox drain"

app = typer.Typer(no_args_is_help=True, pretty_exceptions_enable=False, epilog=examples(_STATUS, _DRAIN))


@app.command(epilog=examples(_STATUS))
def status() -> None:
    """Show how many events wait in the file BOTLIVE_OUTBOX."""
    _, number = _outbox()
    say(f"{number} of at most {LIMIT} events wait")


@app.command(epilog=examples(_DRAIN))
def drain() -> None:
    """Publish the events in the file BOTLIVE_OUTBOX to the queue at REDIS_URL."""
    outbox, before = _outbox()
    try:
        with Publisher.from_env(within=_PATIENCE) as publisher:
            publisher.drain()
    except PublishError as error:
        raise fault(error, f"{waiting(outbox) or 0} events remain in the outbox") from None
    # Not the count of ``drain``: the publisher also delivers in the background.
    say(f"delivered {max(0, before - (waiting(outbox) or 0))}")


def _outbox() -> tuple[Outbox, int]:
    """Return the outbox, and how many events wait in it."""
    outbox = Outbox.named(OutboxSettings.from_env().outbox)
    number = waiting(outbox)
    if number is None:
        raise InvalidSetting(
            "BOTLIVE_OUTBOX", "the file does not exist: the chat creates it the first time that Redis is away"
        )
    return outbox, number
