"""The events of Botlive and their publisher: all that the chat process imports.

>>> from events import PaymentValidated, Publisher
>>> publisher = Publisher.from_env()
>>> publisher.publish(PaymentValidated(company_id="shop", user_id="…", amount=2000, reference="WAVE-123"))
"""

from events.contracts import (
    AnyEvent,
    Event,
    EventType,
    Item,
    LiveToggled,
    OrderCompleted,
    PaymentIssue,
    PaymentValidated,
)
from events.errors import (
    BotliveError,
    InvalidEvent,
    InvalidRedisUrl,
    OutboxFailed,
    OutboxFull,
    PublisherClosed,
    PublishError,
)
from events.parsing import parse_event
from events.protocol import EventPublisher
from events.publisher import Publisher

__distribution__ = "botlive-events"

__all__ = [
    "AnyEvent",
    "BotliveError",
    "Event",
    "EventPublisher",
    "EventType",
    "InvalidEvent",
    "InvalidRedisUrl",
    "Item",
    "LiveToggled",
    "OrderCompleted",
    "OutboxFailed",
    "OutboxFull",
    "PaymentIssue",
    "PaymentValidated",
    "PublishError",
    "Publisher",
    "PublisherClosed",
    "parse_event",
]
