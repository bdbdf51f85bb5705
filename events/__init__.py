"""The events of Botlive and their publisher. The chat process imports nothing else.

>>> from events import PaymentValidated, Publisher
>>> publisher = Publisher.from_env()
>>> publisher.publish(PaymentValidated(company_id="shop", user_id="…", amount=2000, reference="WAVE-123"))
"""

from typing import TYPE_CHECKING, Any

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

if TYPE_CHECKING:
    from events.publishing.publisher import Publisher

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


def __getattr__(name: str) -> Any:
    """Import ``Publisher`` at its first use, because contracts and handlers must not need redis."""
    if name != "Publisher":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from events.publishing.publisher import Publisher  # noqa: PLC0415 # see the docstring

    return Publisher
