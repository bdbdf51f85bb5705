"""``botlive worker``"""

from typing import Annotated

import typer

from gateway.settings import AlertSettings, Settings
from operations.alerts.watch import Watch
from operations.logs import configure
from operations.supervisor import Supervisor
from worker.bootstrap import consumer


def worker(
    burst: Annotated[bool, typer.Option("--burst", help="Work the queue off, then exit.")] = False,
    processes: Annotated[
        int, typer.Option(min=1, max=64, help="Worker processes, on a machine with several cores.")
    ] = 1,
) -> None:
    """Persist the events that wait on the queue BOTLIVE_QUEUE, until stopped.

    Examples:
      botlive worker

      botlive worker --processes 4

      botlive worker --burst
    """
    settings = Settings.from_env()
    configure(settings.log_dir)
    if processes > 1:
        Supervisor(["worker", *(["--burst"] if burst else [])], processes).run(burst=burst)
        return
    watch = None if burst else Watch.of(AlertSettings.from_env())
    made = consumer(settings)
    if watch:
        watch.start()
    made.run(burst=burst)
