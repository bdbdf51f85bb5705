"""The contracts of the four events.

A new type needs a class, its name in ``EventType`` and a line in ``AnyEvent``. See also CONTRIBUTING.md.
``docs/changing-an-event.md`` explains which changes of a class are allowed.
"""

import hashlib
import json
from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self, get_args

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StrictBool,
    field_validator,
    model_validator,
)
from pydantic_core import PydanticCustomError
from pydantic_core.core_schema import ValidationInfo

from events import clock
from events.fields import (
    Amount,
    Customer,
    Identifier,
    Instant,
    Key,
    Name,
    Text,
    Uuid,
    Word,
    first,
    known_version,
)
from events.identity import keyed_id

EventType = Literal["payment_validated", "payment_issue", "order_completed", "live_toggled"]
"""The names of the event types. mypy checks that each class uses one of them."""

TYPES: tuple[EventType, ...] = get_args(EventType)
"""The same names as a tuple."""

MOST_ITEMS = 1_000
"""Maximum number of items in an order."""

MOST_AMENDED = 2_000
"""Maximum number of names in ``amended``. An order has some texts, and each of its items has one."""

_Words = Annotated[tuple[Word, ...], Field(max_length=MOST_AMENDED)]


class Contract(BaseModel):
    """Base of all contracts: frozen, refuses unknown fields, and never shows a value in an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class Event(Contract):
    """Base of all events, with the fields that every event has."""

    event_id: Uuid = Field(default_factory=clock.new_id)
    """The idempotency key: derived from ``key`` if that is set, else time-ordered (UUID version 7)."""
    type: EventType
    """The name of the event type."""
    version: int = 1
    """The version of the contract. The default is the newest version; a worker also reads older ones."""
    company_id: Identifier
    """The id of the shop in Botlive: a text, not the UUID in Lovable's tables."""
    occurred_at: Instant = Field(default_factory=clock.now)
    """When the event happened (UTC)."""
    conversation_id: Uuid | None = None
    """The id of the chat's conversation, if there is one."""
    amended: Annotated[_Words | None, first(MOST_AMENDED)] = None
    """The fields whose text ``dropin`` had to change so that it fits. It is copied to ``metadata``."""
    key: Key | None = None
    """The caller's idempotency key, such as the id of a message. Two events with one key are the same event.

    The time is then not compared: the event that is persisted first keeps its time.
    """

    @field_validator("version", mode="before")
    @classmethod
    def _is_known(cls, version: Any) -> int:
        if version == 1 and type(version) is int:  # every class knows it, and ``model_fields`` is slow
            return version
        return known_version(version, cls.model_fields["version"].default)

    @model_validator(mode="after")
    def _is_known_by_its_key(self) -> Self:
        if self.key is None:
            return self
        identity = keyed_id(self.company_id, self.type, self.key)
        if "event_id" not in self.model_fields_set:
            self.__dict__["event_id"] = identity  # the model is frozen, so it is set directly
            self.model_fields_set.add("event_id")
        elif self.event_id != identity:
            raise PydanticCustomError("event_id_of_key", "event_id is not the one that its key makes")
        return self

    def upcast(self) -> Self:
        """Return the event in the newest version of its class, which is the only version that handlers read.

        A class with several versions overrides it. The digest stays that of the published version.
        """
        return self

    def content(self) -> dict[str, Any]:
        """Return all fields as JSON values. Unset fields are left out."""
        return self.model_dump(mode="json", exclude_none=True)

    def digest(self, content: Mapping[str, Any] | None = None) -> str:
        """Return a hash of the content (SHA-256, hex), which is the same for every notation of the event.

        The time is left out if the event has a ``key``. ``content`` is the result of ``content``, if the
        caller has it already.
        """
        hashed = dict(content or self.content())
        if self.key is not None:
            del hashed["occurred_at"]
        return hashlib.sha256(_canonical(hashed).encode()).hexdigest()


_canonical = json.JSONEncoder(sort_keys=True, separators=(",", ":")).encode
_SHARED_FIELDS = {*Event.model_fields} - {"amended"}


def own_fields(content: Mapping[str, Any]) -> dict[str, Any]:
    """Return the type's own fields, and ``amended``, of the content of an event."""
    return {name: value for name, value in content.items() if name not in _SHARED_FIELDS}


class PaymentValidated(Event):
    """A customer's payment was verified."""

    type: Literal["payment_validated"] = "payment_validated"
    user_id: Customer
    """The customer: a phone number."""
    amount: Amount
    """The amount that was paid."""
    reference: Name
    """The reference of the payment operator; may be empty."""


class PaymentIssue(Event):
    """A payment needs a person to check it."""

    type: Literal["payment_issue"] = "payment_issue"
    user_id: Customer
    """The customer: a phone number."""
    issue_type: Word
    """For example ``payment_insufficient``."""
    message: Text
    """The text that the owner reads."""
    detected_amount: Amount | None = None
    """The amount that the customer seems to have paid."""
    required_amount: Amount | None = None
    """The amount that the customer must pay."""


class Item(Contract):
    """One item of an order."""

    name: Name
    """The name of the product."""
    quantity: int = Field(strict=True, ge=1, le=2**31 - 1)
    """The number of pieces."""
    price: Amount
    """The price of one piece."""


class OrderCompleted(Event):
    """A customer completed an order. The id of the order is the id of the event."""

    type: Literal["order_completed"] = "order_completed"
    user_id: Customer
    """The customer: a phone number."""
    customer_name: Annotated[Name, BeforeValidator(lambda name: "" if name is None else name)] = Field(
        default="", validate_default=True
    )
    """If missing or empty, the last four characters of ``user_id``."""
    total_amount: Amount
    """The price of the whole order."""
    items: Annotated[tuple[Item, ...], first(MOST_ITEMS)] = Field(min_length=1, max_length=MOST_ITEMS)
    """The ordered products."""
    zone: Name | None = None
    """The area of the delivery."""
    phone: Name | None = None
    """The phone number for the delivery."""

    @field_validator("customer_name")
    @classmethod
    def _or_end_of_user_id(cls, name: str, info: ValidationInfo) -> str:
        return name or str(info.data.get("user_id", ""))[-4:]


class LiveToggled(Event):
    """A shop's live mode was switched. The id of the session is the id of its first enable."""

    type: Literal["live_toggled"] = "live_toggled"
    enabled: StrictBool
    """True if the mode was switched on, false if it was switched off."""
    mode: Literal["live", "rag"] = "live"
    """The mode that was switched."""


AnyEvent = Annotated[
    PaymentValidated | PaymentIssue | OrderCompleted | LiveToggled,
    Field(discriminator="type"),
]
"""Any of the events, distinguished by ``type``."""
