"""``botlive worker``: runs a worker."""

from typing import Annotated

import typer

from gateway.settings import Settings
from operations.logs import configure
from worker.bootstrap import consumer


def worker(
    burst: Annotated[bool, typer.Option("--burst", help="Exit when the queue is empty.")] = False,
) -> None:
    """Persist the events on the queue BOTLIVE_QUEUE, until the worker is stopped."""
    settings = Settings.from_env()
    configure(settings.log_dir)
    consumer(settings).run(burst=burst)
