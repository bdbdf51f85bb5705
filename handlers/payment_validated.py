"""A payment was checked and found good."""

from events import PaymentValidated
from handlers.rows import Rows, activity
from handlers.texts import fcfa


def payment_validated(event: PaymentValidated) -> Rows:
    """One activity with the amount and, where there is one, the operator's reference."""
    return Rows(
        activity(
            event,
            {
                "type": "order",
                "status": "success",
                "title": f"Paiement validé: {fcfa(event.amount)}",
                "description": f"Référence: {event.reference}" if event.reference else "",
            },
            event="paiement_valide",
        )
    )
