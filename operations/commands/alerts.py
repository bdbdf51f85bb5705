"""``botlive alerts``: watch a queue from a machine where no worker runs, and send alerts."""

import signal
from typing import Annotated

import typer

from gateway.errors import MissingSetting
from gateway.settings import AlertSettings
from operations.alerts.watch import AlertWatch
from operations.examples import examples
from operations.exits import ExitCode
from operations.logs import configure
from operations.output import report, say

EPILOG = examples(
    "BOTLIVE_ALERT_URL=https://hooks.slack.com/services/T0/B0/X0 \\",
    "    botlive alerts --test",
    "BOTLIVE_ALERT_WORKERS=2 botlive alerts",
)


def alerts(
    test: Annotated[bool, typer.Option("--test", help="Send one test message, and end.")] = False,
) -> None:
    """Watch the queue BOTLIVE_QUEUE and send its problems to BOTLIVE_ALERT_URL.

    A worker does this by itself where BOTLIVE_ALERT_URL is set. Run this command on another machine too:
    it also sees that no worker is alive. With BOTLIVE_OUTBOX it watches that file, on the chat's machine.
    """
    watch = AlertWatch.of(AlertSettings.from_env())
    if watch is None:
        raise MissingSetting("BOTLIVE_ALERT_URL")
    if test:
        if why := watch.test():
            report(f"the test message could not be sent ({why}): check BOTLIVE_ALERT_URL and the network")
            raise typer.Exit(ExitCode.FAILED)
        say("sent")
        return
    configure()
    signal.signal(signal.SIGTERM, lambda signum, _: watch.stop(signum))
    watch.run()
