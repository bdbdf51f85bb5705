"""The four events, version 1. A new type: a class, its name in ``EventType``, a line in ``AnyEvent``.

``docs/changing-an-event.md`` says what may change in a class.
"""

import hashlib
import json
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
"""The names of the types; mypy holds each class to one of them."""

TYPES: tuple[EventType, ...] = get_args(EventType)
"""The same, to be gone through."""

MOST_ITEMS = 1_000
"""Lines of the longest order."""

MOST_AMENDED = 2_000
"""Names of fields; of an order each line has one text, and the order has some."""

_Words = Annotated[tuple[Word, ...], Field(max_length=MOST_AMENDED)]


class Contract(BaseModel):
    """Frozen, closed to unknown fields, and silent about values when it refuses one."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class Event(Contract):
    """What every event carries."""

    event_id: Uuid = Field(default_factory=clock.new_id)
    """The idempotency key; time-ordered (UUID version 7), or made from ``key`` where there is one."""
    type: EventType
    version: int = 1
    """The version of its class: the default is the newest one, and the class reads the older ones too."""
    company_id: Identifier
    """The shop's id in Botlive (text, not the UUID of Lovable's tables)."""
    occurred_at: Instant = Field(default_factory=clock.now)
    """When it happened (UTC)."""
    conversation_id: Uuid | None = None
    amended: Annotated[_Words | None, first(MOST_AMENDED)] = None
    """The fields whose text had to be cut or stripped to fit (``dropin``); stands in ``metadata``."""
    key: Key | None = None
    """The caller's own name of what happened (a message's id): the same thing twice is one event.

    When it occurred is then no part of its content: whichever of the two comes first is persisted.
    """

    @field_validator("version", mode="before")
    @classmethod
    def _is_known(cls, version: Any) -> int:
        return known_version(version, cls.model_fields["version"].default)

    @model_validator(mode="after")
    def _is_known_by_its_key(self) -> Self:
        if self.key is None:
            return self
        identity = keyed_id(self.company_id, self.type, self.key)
        if "event_id" not in self.model_fields_set:
            self.__dict__["event_id"] = identity  # frozen for everybody else
            self.model_fields_set.add("event_id")
        elif self.event_id != identity:
            raise PydanticCustomError("event_id_of_key", "event_id is not the one that its key makes")
        return self

    def content(self) -> dict[str, Any]:
        """Its fields as JSON values, absent optionals left out."""
        return self.model_dump(mode="json", exclude_none=True)

    def own_fields(self) -> dict[str, Any]:
        """The fields that only its type has, as JSON values, absent optionals left out."""
        return self.model_dump(mode="json", exclude_none=True, exclude=_SHARED_FIELDS)

    def digest(self) -> str:
        """A fingerprint of the content (SHA-256, hex): equal for equal events, however written."""
        content = self.content()
        if self.key is not None:
            del content["occurred_at"]
        canonical = json.dumps(content, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(canonical.encode()).hexdigest()


_SHARED_FIELDS = {*Event.model_fields} - {"amended"}


class PaymentValidated(Event):
    """A customer's payment was checked and found good."""

    type: Literal["payment_validated"] = "payment_validated"
    user_id: Customer
    amount: Amount
    """FCFA."""
    reference: Name
    """The operator's reference; may be empty."""


class PaymentIssue(Event):
    """A payment needs a person's eye."""

    type: Literal["payment_issue"] = "payment_issue"
    user_id: Customer
    issue_type: Word
    """For example ``payment_insufficient``."""
    message: Text
    detected_amount: Amount | None = None
    """FCFA."""
    required_amount: Amount | None = None
    """FCFA."""


class Item(Contract):
    """One line of an order."""

    name: Name
    quantity: int = Field(strict=True, ge=1, le=2**31 - 1)
    price: Amount
    """FCFA each."""


class OrderCompleted(Event):
    """A customer's order is complete. The order's id is the event's id."""

    type: Literal["order_completed"] = "order_completed"
    user_id: Customer
    customer_name: Annotated[Name, BeforeValidator(lambda name: "" if name is None else name)] = Field(
        default="", validate_default=True
    )
    """Where missing or empty: the last four characters of ``user_id``."""
    total_amount: Amount
    """FCFA."""
    items: Annotated[tuple[Item, ...], first(MOST_ITEMS)] = Field(min_length=1, max_length=MOST_ITEMS)
    zone: Name | None = None
    phone: Name | None = None

    @field_validator("customer_name")
    @classmethod
    def _or_end_of_user_id(cls, name: str, info: ValidationInfo) -> str:
        return name or str(info.data.get("user_id", ""))[-4:]


class LiveToggled(Event):
    """The shop's live mode was switched. The first enable's id is the session's id."""

    type: Literal["live_toggled"] = "live_toggled"
    enabled: StrictBool
    mode: Literal["live", "rag"] = "live"


AnyEvent = Annotated[
    PaymentValidated | PaymentIssue | OrderCompleted | LiveToggled,
    Field(discriminator="type"),
]
"""Any of the events, told apart by ``type``."""
