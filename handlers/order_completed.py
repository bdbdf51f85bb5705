"""Handler for ``order_completed``: a customer completed an order."""

from events import OrderCompleted
from handlers.rows import Order, Rows, activity, conversation
from handlers.texts import fcfa


def order_completed(event: OrderCompleted) -> Rows:
    """Return the order, whose id is the event's id, and its activity."""
    return Rows(
        activity(
            event,
            {
                "type": "order",
                "status": "success",
                "title": f"Commande de {event.customer_name}",
                "description": f"Montant: {fcfa(event.total_amount)}",
                "customer_name": event.customer_name,
            },
            event="commande_enregistree",
            order_id=str(event.event_id),
        ),
        order=_order(event),
    )


def _order(event: OrderCompleted) -> Order:
    contact = {"user_id": event.user_id, "zone": event.zone, "phone": event.phone}
    return {
        "customer_name": event.customer_name,
        "total_amount": event.total_amount,
        "items": [item.model_dump(mode="json") for item in event.items],
        "conversation_id": conversation(event),
        "metadata": {name: value for name, value in contact.items() if value is not None},
    }
