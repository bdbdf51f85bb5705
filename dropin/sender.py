"""The way of an event to the queue, from which nothing ever comes back as an exception."""

import os
from collections.abc import Mapping
from functools import cache
from typing import Any, NamedTuple
from uuid import UUID

from pydantic import ValidationError

from dropin.fitting import fit
from dropin.journal import logger, tell
from events.clock import new_id
from events.contracts import Event
from events.errors import PublishError
from events.identity import id_of_payload
from events.parsing import shown
from events.protocol import EventPublisher
from events.publishing.publisher import Publisher

Fields = Mapping[str, Any]
Key = str | int | UUID
"""The chat's own name of what happened, such as a WhatsApp message's id."""


class Sent(NamedTuple):
    """What became of one event."""

    event_id: str
    fits: bool
    """Whether it fits its contract; if not it is refused, in sight of people."""
    published: bool
    """Whether it is on the queue, or in the outbox."""

    @property
    def accepted(self) -> bool:
        """Whether it is on its way to the tables."""
        return self.fits and self.published


class Unfit(NamedTuple):
    """What fits no contract: a worker will refuse it in sight of people."""

    event_id: UUID
    type: str
    payload: Fields


_given: EventPublisher | None = None


def use(publisher: EventPublisher | None) -> None:
    """Publish through this publisher from now on; None: through one made from the environment."""
    global _given  # noqa: PLW0603 - one publisher per process is the point
    _given = publisher


@cache
def _from_env() -> Publisher:
    return Publisher.from_env()


# A forked child must not speak over its parent's connections.
os.register_at_fork(after_in_child=_from_env.cache_clear)


async def send(contract: type[Event], fields: Fields) -> Sent:
    """Publish the event that the fields make, or as it is what makes none."""
    event = _event(contract, fields)
    return Sent(str(event.event_id), not isinstance(event, Unfit), await _published(event))


def _event(contract: type[Event], fields: Fields) -> Event | Unfit:
    kind = contract.model_fields["type"].default
    identity = new_id()
    fitted = fields
    try:
        fitted = fit(_named(fields))
        identity = id_of_payload(kind, fitted) or identity
        return contract.model_validate({"event_id": identity, **fitted})
    except Exception as error:  # noqa: BLE001 - a value's own methods may raise anything
        problem = _problem(error)
        logger.warning("event %s (%s) does not fit: %s; a worker will refuse it", identity, kind, problem)
        return Unfit(identity, kind, fitted)


def _named(fields: Fields) -> Fields:
    """With the key as text: a number is as good as its digits, and an empty text is no key."""
    key = fields.get("key")
    if isinstance(key, int | UUID) and not isinstance(key, bool):
        key = str(key)
    rest = {name: value for name, value in fields.items() if name != "key"}
    return rest if key is None or key == "" else {**rest, "key": key}


def _problem(error: Exception) -> str:
    """The fields' names, of which those within an order's lines are the caller's text."""
    if not isinstance(error, ValidationError):
        return type(error).__name__
    details = error.errors(include_url=False, include_context=False, include_input=False)
    return ", ".join(sorted({shown(detail["loc"][:1]) for detail in details if detail["loc"]}))


async def _published(event: Event | Unfit) -> bool:
    try:
        await _put(_given or _from_env(), event)
    except PublishError as error:
        logger.error("event %s (%s) is not published: %s", event.event_id, event.type, error)
    except Exception as error:  # noqa: BLE001 - the chat must not fail because of its events
        tell(f"event {event.event_id} ({event.type}) is not published", error)
    else:
        return True
    return False


async def _put(publisher: EventPublisher, event: Event | Unfit) -> None:
    if isinstance(event, Unfit):
        await publisher.apublish_unchecked(event.type, event.payload, event_id=event.event_id)
    else:
        await publisher.apublish(event)
