"""The names of Botlive's first integration, on top of the publisher: one import line changes.

>>> from dropin import create_order, log_order_created

They never raise into the chat and never drop an event without a word. A zero byte or half a
surrogate pair is taken out of a text and a text that is too long is cut, which ``amended`` in the
activity's ``metadata`` names; what still fits no contract stands in RQ's failed registry.
"""

from dropin.activities import log_order_created, log_payment_issue, log_payment_validated
from dropin.orders import create_order, get_orders
from dropin.sender import use
from dropin.sessions import end_session, get_active_session, start_session

__all__ = [
    "create_order",
    "end_session",
    "get_active_session",
    "get_orders",
    "log_order_created",
    "log_payment_issue",
    "log_payment_validated",
    "start_session",
    "use",
]
