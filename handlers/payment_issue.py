"""Handler for ``payment_issue``: a payment needs a person to check it."""

from events import PaymentIssue
from handlers.rows import Content, Rows, activity


def payment_issue(event: PaymentIssue, content: Content) -> Rows:
    """Return the activity, which asks the owner to intervene."""
    return Rows(
        activity(
            content,
            {
                "type": "intervention",
                "status": "warning",
                "title": f"Intervention requise: {event.issue_type}",
                "description": event.message,
            },
            event="payment_issue",
        )
    )
