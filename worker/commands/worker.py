"""``botlive worker``"""

from typing import Annotated

import typer

from worker.bootstrap import consumer
from worker.errors import InvalidSetting
from worker.logs import configure
from worker.settings import Settings


def worker(
    burst: Annotated[bool, typer.Option("--burst", help="Work the queue off, then exit.")] = False,
) -> None:
    """Persist the events that wait on the queue BOTLIVE_QUEUE, until stopped."""
    settings = Settings.from_env()
    try:
        configure(settings.log_dir)
    except OSError:
        raise InvalidSetting("LOG_DIR", "cannot be made or written to") from None
    consumer(settings).run(burst=burst)
