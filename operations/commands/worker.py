"""``botlive worker``"""

from typing import Annotated

import typer

from gateway.settings import Settings
from operations.logs import configure
from worker.bootstrap import consumer


def worker(
    burst: Annotated[bool, typer.Option("--burst", help="Work the queue off, then exit.")] = False,
) -> None:
    """Persist the events that wait on the queue BOTLIVE_QUEUE, until stopped."""
    settings = Settings.from_env()
    configure(settings.log_dir)
    consumer(settings).run(burst=burst)
