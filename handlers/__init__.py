"""Pure handlers: one event → the rows it means. A new type is one module, and one case in ``meaning``."""

from handlers.meaning import rows
from handlers.rows import Activity, Order, Rows, Toggle

__distribution__ = "botlive-events"

__all__ = ["Activity", "Order", "Rows", "Toggle", "rows"]
