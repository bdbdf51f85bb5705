"""The names of Botlive's first integration, on top of the publisher: one import line changes.

>>> from dropin import create_order, log_order_created

They never raise into the chat and never drop an event without a word. A zero byte or half a
surrogate pair is taken out of a text and a text that is too long is cut, which ``amended`` in the
activity's ``metadata`` names; what still fits no contract stands in RQ's failed registry.
"""

from dropin.origin import check

check()  # before the rest, which would fail without a word of the cause

from dropin.activities import log_order_created, log_payment_issue, log_payment_validated  # noqa: E402
from dropin.orders import create_order, get_orders  # noqa: E402
from dropin.sender import use  # noqa: E402
from dropin.sessions import end_session, get_active_session, start_session  # noqa: E402

__distribution__ = "botlive-events"

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
