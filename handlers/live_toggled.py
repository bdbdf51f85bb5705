"""The shop's live mode was switched."""

from events import LiveToggled
from handlers.rows import Rows, activity


def live_toggled(event: LiveToggled) -> Rows:
    """The activity and the toggle; the SQL adds which session it belongs to and how long it was."""
    return Rows(
        activity(
            event,
            {
                "type": "system",
                "status": "info",
                "title": "Mode LIVE activé" if event.enabled else "Mode LIVE désactivé",
                "description": "",
            },
            event="session_started" if event.enabled else "session_ended",
        ),
        toggle={"enabled": event.enabled, "mode": event.mode},
    )
