"""``botlive alerts``: watch a queue from a machine where no worker runs, and send alerts."""

import signal
from typing import Annotated

import typer

from gateway.errors import MissingSetting
from gateway.settings import AlertSettings
from operations.alerts.watch import Watch
from operations.logs import configure
from operations.output import report, say


def alerts(
    test: Annotated[bool, typer.Option("--test", help="Send one test message, and end.")] = False,
) -> None:
    """Watch the queue BOTLIVE_QUEUE and send its problems to BOTLIVE_ALERT_URL.

    A worker does this by itself where BOTLIVE_ALERT_URL is set. Run this command on another machine too:
    it also sees that no worker is alive. With BOTLIVE_OUTBOX it watches that file, on the chat's machine.

    Examples:
      BOTLIVE_ALERT_URL=https://hooks.slack.com/services/… botlive alerts --test

      BOTLIVE_ALERT_URL='https://api.telegram.org/bot…/sendMessage?chat_id=…' botlive alerts
    """
    watch = Watch.of(AlertSettings.from_env())
    if watch is None:
        raise MissingSetting("BOTLIVE_ALERT_URL")
    if test:
        why = watch.test()
        (report if why else say)(f"the test message could not be sent: {why}" if why else "sent")
        raise typer.Exit(1 if why else 0)
    configure()
    signal.signal(signal.SIGTERM, lambda *_: watch.stop())
    watch.run()
