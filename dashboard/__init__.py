"""Reads for the chat and the front end (extra ``[read]``). ``dashboard.api`` has the router (``[api]``).

>>> from dashboard import get_active_orders
>>> orders = await get_active_orders("shop", limit=50)
"""

from gateway.origin import check

check("dashboard")  # before the other imports, whose errors would not show the cause

from dashboard.reader import Reader  # noqa: E402
from dashboard.reads import get_active_orders, get_active_session, get_orders, get_realtime_activity  # noqa: E402
from dashboard.shapes import ActiveOrder, Activity  # noqa: E402

__distribution__ = "botlive-events"

__all__ = [
    "ActiveOrder",
    "Activity",
    "Reader",
    "get_active_orders",
    "get_active_session",
    "get_orders",
    "get_realtime_activity",
]
