"""What the chat and the front end read (extra ``[read]``); ``dashboard.api`` is the router (extra ``[api]``).

>>> from dashboard import get_active_orders
>>> orders = await get_active_orders("shop", limit=50)
"""

from dashboard.reader import Reader
from dashboard.reads import get_active_orders, get_active_session, get_orders, get_realtime_activity
from dashboard.shapes import ActiveOrder, Activity

__all__ = [
    "ActiveOrder",
    "Activity",
    "Reader",
    "get_active_orders",
    "get_active_session",
    "get_orders",
    "get_realtime_activity",
]
