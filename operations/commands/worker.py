"""``botlive worker``"""

from typing import Annotated

import typer

from gateway.settings import AlertSettings, Settings
from operations.alerts.watch import Watch
from operations.logs import configure
from worker.bootstrap import consumer


def worker(
    burst: Annotated[bool, typer.Option("--burst", help="Work the queue off, then exit.")] = False,
) -> None:
    """Persist the events that wait on the queue BOTLIVE_QUEUE, until stopped."""
    settings = Settings.from_env()
    configure(settings.log_dir)
    watch = None if burst else Watch.of(AlertSettings.from_env())
    made = consumer(settings)
    if watch:
        watch.start()
    made.run(burst=burst)
