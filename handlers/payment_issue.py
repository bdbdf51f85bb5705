"""A payment needs a person's eye."""

from events import PaymentIssue
from handlers.rows import Rows, activity


def payment_issue(event: PaymentIssue) -> Rows:
    """One activity that asks the owner to step in."""
    return Rows(
        activity(
            event,
            {
                "type": "intervention",
                "status": "warning",
                "title": f"Intervention requise: {event.issue_type}",
                "description": event.message,
            },
            event="payment_issue",
        )
    )
