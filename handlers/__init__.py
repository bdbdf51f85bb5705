"""Pure handlers: one event → the rows it means. A new event type is one module and one line here."""

from handlers import live_toggled as live_toggled
from handlers import order_completed as order_completed
from handlers import payment_issue as payment_issue
from handlers import payment_validated as payment_validated
from handlers.rows import Activity, Order, Rows, Toggle, UnhandledEvent, rows

__distribution__ = "botlive-events"

__all__ = ["Activity", "Order", "Rows", "Toggle", "UnhandledEvent", "rows"]
