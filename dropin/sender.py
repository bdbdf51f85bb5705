"""Publishes events without ever raising an exception."""

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
"""The chat's idempotency key, such as the id of a WhatsApp message."""


class Sent(NamedTuple):
    """The result of sending one event."""

    event_id: str
    fits: bool
    """Whether the event fits its contract. If not, a worker refuses it visibly."""
    published: bool
    """Whether the event is on the queue or in the outbox."""

    @property
    def accepted(self) -> bool:
        """Whether the event fits its contract and is published."""
        return self.fits and self.published


class Unfit(NamedTuple):
    """A payload that fits no contract. A worker will refuse it visibly."""

    event_id: UUID
    type: str
    payload: Fields


_given: EventPublisher | None = None


def use(publisher: EventPublisher | None) -> None:
    """Publish through this publisher from now on. None restores the one from the environment."""
    global _given  # noqa: PLW0603 - there is one publisher per process
    _given = publisher


@cache
def _from_env() -> Publisher:
    return Publisher.from_env()


# A forked child must not use its parent's connections.
os.register_at_fork(after_in_child=_from_env.cache_clear)


async def send(contract: type[Event], fields: Fields) -> Sent:
    """Publish the event with these fields. If they fit no contract, publish them unchecked."""
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
    except Exception as error:  # noqa: BLE001 - the methods of a value may raise any exception
        problem = _problem(error)
        logger.warning("event %s (%s) does not fit: %s; a worker will refuse it", identity, kind, problem)
        return Unfit(identity, kind, fitted)


def _named(fields: Fields) -> Fields:
    """Return the fields with the key as text. A number becomes its digits, and an empty text means no key."""
    key = fields.get("key")
    if isinstance(key, int | UUID) and not isinstance(key, bool):
        key = str(key)
    rest = {name: value for name, value in fields.items() if name != "key"}
    return rest if key is None or key == "" else {**rest, "key": key}


def _problem(error: Exception) -> str:
    """Return the names of the wrong fields. Nested names are left out, because the caller chose them."""
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
