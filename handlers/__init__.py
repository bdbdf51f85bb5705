"""Pure handlers: each turns one event into its rows. A new type: see CONTRIBUTING.md."""

from handlers.meaning import rows
from handlers.rows import Activity, Order, Rows, Toggle

__distribution__ = "botlive-events"

__all__ = ["Activity", "Order", "Rows", "Toggle", "rows"]
