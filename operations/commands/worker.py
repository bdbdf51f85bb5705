"""``botlive worker``: runs a worker."""

import gc
from typing import Annotated

import typer

from gateway.settings import AlertSettings, HealthSettings, Settings, TelemetrySettings
from operations import telemetry
from operations.alerts.watch import AlertWatch
from operations.examples import examples
from operations.health import serve
from operations.logs import configure
from operations.supervisor import Supervisor
from worker.bootstrap import consumer

_YOUNG = 50_000
"""Objects that a worker creates and keeps before Python searches them for reference cycles.

Two batches have fewer, and no cycles. With the default, 700, the searches took 8 % of the processor time.
"""

EPILOG = examples("botlive worker", "botlive worker --processes 4", "botlive worker --burst")


def worker(
    burst: Annotated[bool, typer.Option("--burst", help="Exit when the queue is empty.")] = False,
    processes: Annotated[
        int, typer.Option(min=1, max=64, help="Worker processes, on a machine with several cores.")
    ] = 1,
) -> None:
    """Persist the events on the queue BOTLIVE_QUEUE, until the worker is stopped."""
    settings = Settings.from_env()
    configure(settings.log_dir)
    if processes > 1:
        Supervisor(["worker", *(["--burst"] if burst else [])], processes).run(burst=burst)
        return
    telemetry.start(TelemetrySettings.from_env())
    watch = None if burst else AlertWatch.of(AlertSettings.from_env())
    made = consumer(settings)
    serve(made, HealthSettings.from_env())
    if watch:
        watch.start()
    gc.set_threshold(_YOUNG)
    made.run(burst=burst)
