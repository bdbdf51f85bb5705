"""Handler for ``live_toggled``: the live mode of a shop was switched."""

from events import LiveToggled
from handlers.rows import Content, Rows, activity


def live_toggled(event: LiveToggled, content: Content) -> Rows:
    """Return the activity and the toggle. The SQL function adds the session and its duration."""
    return Rows(
        activity(
            content,
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
