"""Handler for ``payment_validated``: a payment was verified."""

from events import PaymentValidated
from handlers.rows import Content, Rows, activity
from handlers.texts import fcfa


def payment_validated(event: PaymentValidated, content: Content) -> Rows:
    """Return the activity, with the amount and the operator's reference, if there is one."""
    return Rows(
        activity(
            content,
            {
                "type": "order",
                "status": "success",
                "title": f"Paiement validé: {fcfa(event.amount)}",
                "description": f"Référence: {event.reference}" if event.reference else "",
            },
            event="paiement_valide",
        )
    )
