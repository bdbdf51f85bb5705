"""Handler for ``order_completed``: a customer completed an order."""

from events import OrderCompleted
from handlers.rows import Content, Order, Rows, activity, conversation
from handlers.texts import fcfa


def order_completed(event: OrderCompleted, content: Content) -> Rows:
    """Return the order, whose id is the event's id, and its activity."""
    return Rows(
        activity(
            content,
            {
                "type": "order",
                "status": "success",
                "title": f"Commande de {event.customer_name}",
                "description": f"Montant: {fcfa(event.total_amount)}",
                "customer_name": event.customer_name,
            },
            event="commande_enregistree",
            order_id=content["event_id"],
        ),
        order=_order(event, content),
    )


def _order(event: OrderCompleted, content: Content) -> Order:
    contact = {"user_id": event.user_id, "zone": event.zone, "phone": event.phone}
    return {
        "customer_name": event.customer_name,
        "total_amount": event.total_amount,
        "items": content["items"],
        "conversation_id": conversation(content),
        "metadata": {name: value for name, value in contact.items() if value is not None},
    }
