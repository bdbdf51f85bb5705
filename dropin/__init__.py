"""The functions of Botlive's first integration, based on the publisher. Only the import line changes.

>>> from dropin import create_order, log_order_created

They never raise an exception into the chat, and log each event that is not published. They remove zero bytes
and lone surrogates from texts, and cut texts that are too long; ``amended`` in the activity's ``metadata``
names the changed fields. A worker puts an event that still fits no contract in RQ's failed registry.
"""

from dropin.origin import check

check()  # before the other imports, whose errors would not show the cause

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
