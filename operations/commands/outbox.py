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
    say(f"{waiting(_outbox())} of at most {LIMIT} events wait")


@app.command(epilog=examples(_DRAIN))
def drain() -> None:
    """Publish the events in the file BOTLIVE_OUTBOX to the queue at REDIS_URL."""
    outbox = _outbox()
    before = waiting(outbox)
    try:
        with Publisher.from_env(within=_PATIENCE) as publisher:
            publisher.drain()
    except PublishError as error:
        raise fault(error, f"{waiting(outbox)} events remain in the outbox") from None
    # Not the count of ``drain``: the publisher also delivers in the background.
    say(f"delivered {max(0, before - waiting(outbox))}")


def _outbox() -> Outbox:
    outbox = Outbox.named(OutboxSettings.from_env().outbox)
    if not outbox.path.exists():
        raise InvalidSetting(
            "BOTLIVE_OUTBOX", "the file does not exist: the chat creates it the first time that Redis is away"
        )
    return outbox
