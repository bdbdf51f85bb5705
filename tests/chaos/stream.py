"""What is published: a pure function of the seed, so that a publisher can be killed and begin again.

Each publisher has a stream of its own, in portions; the verdict makes the same events once more.
"""

import random
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, assert_never, get_args
from uuid import UUID

from events import AnyEvent, EventType, Item, LiveToggled, OrderCompleted, PaymentIssue, PaymentValidated

SHOPS = 5
REFUSED = "refusé par la base"
"""The customer name that a check of the harness's database refuses."""
NOBODY = "chaos-nobody"
"""A shop that nobody has mapped."""

_MORNING = datetime(2026, 1, 5, 8, tzinfo=UTC)
_EVERY = 10  # portions, of which one holds guilty events
_REPEATED = 0.15  # of the events are published again on purpose
_PHONE = "+2250700000000"


Acknowledged = Sequence[Collection[int]]
"""For each publisher the portions of which every publication was taken."""


@dataclass(frozen=True, slots=True)
class Plan:
    """The number of events and of publishers."""

    seed: int
    events: int
    """That are in order; repeats, guilty ones and those of nudges come on top."""
    publishers: int
    portions: int

    def shops(self) -> list[str]:
        """The text ids of the shops."""
        return [f"chaos-{number}" for number in range(SHOPS)]

    def innocent(self, acknowledged: Acknowledged) -> Iterator[AnyEvent]:
        """Every event that is in order and was published, some more than once."""
        for publisher, portions in enumerate(acknowledged):
            for portion in portions:
                yield from self.orderly(publisher, portion)

    def fresh(self, publisher: int, portion: int) -> list[AnyEvent]:
        """The new events of one portion. Portions behind the last are the extra ones of the nudges."""
        dice = self._dice("fresh", publisher, portion)
        parts = self.publishers * self.portions
        part = portion * self.publishers + publisher
        size = self.events * (part + 1) // parts - self.events * part // parts
        return [_event(dice, dice.choice(self.shops())) for _ in range(size)]

    def portion(self, publisher: int, portion: int) -> list[AnyEvent]:
        """All that this publisher publishes in this portion, repeats and guilty ones too, in disorder."""
        stream = [*self.orderly(publisher, portion), *(one.event for one in self.guilty(publisher, portion))]
        self._dice("disorder", publisher, portion).shuffle(stream)
        return stream

    def orderly(self, publisher: int, portion: int) -> list[AnyEvent]:
        """What is in order of this portion: new events, and repeats of this publisher's or of another's."""
        dice = self._dice("order", publisher, portion)
        events = self.fresh(publisher, portion)
        neighbour = self.fresh((publisher + 1) % self.publishers, max(0, portion - dice.randrange(2)))
        repeated = [event for event in [*events, *neighbour] if dice.random() < _REPEATED]
        return [*events, *repeated]

    def guilty(self, publisher: int, portion: int) -> list["Guilty"]:
        """Events that must end in the failed registry, each with the reason that must stand there."""
        if publisher or portion % _EVERY:
            return []
        dice = self._dice("guilty", publisher, portion)
        return [
            Guilty(_order(dice, NOBODY), "UnknownCompany"),
            Guilty(_order(dice, self.shops()[0], customer_name=REFUSED), "the check chaos_refuses on orders"),
        ]

    def rivals(self, portion: int) -> list[tuple[AnyEvent, AnyEvent]]:
        """Pairs of events under one id: whichever comes first is right, the other must be refused."""
        if portion % _EVERY:
            return []
        dice = self._dice("rivals", portion)
        first = _order(dice, dice.choice(self.shops()))
        return [(first, first.model_copy(update={"total_amount": first.total_amount + 1}))]

    def rivals_of(self, publisher: int, portion: int) -> list[AnyEvent]:
        """The side of each pair that this publisher takes: two race for the id."""
        return [pair[publisher] for pair in self.rivals(portion) if publisher in (0, 1)]

    def _dice(self, *of: object) -> random.Random:
        return random.Random(f"{self.seed} {of}")


@dataclass(frozen=True, slots=True)
class Guilty:
    """An event at fault."""

    event: AnyEvent
    reason: str
    """Words that the failed registry must hold of it."""


def _event(dice: random.Random, shop: str) -> AnyEvent:
    kinds = [_share_and_maker(kind) for kind in get_args(EventType)]
    make = dice.choices([maker for _, maker in kinds], [share for share, _ in kinds])[0]
    return make(dice, shop)


def _share_and_maker(kind: EventType) -> tuple[int, Callable[[random.Random, str], AnyEvent]]:
    """How many of a hundred events are of the type, and what makes one."""
    match kind:
        case "payment_validated":
            return 35, _payment
        case "payment_issue":
            return 20, _issue
        case "order_completed":
            return 30, _order
        case "live_toggled":
            return 15, _toggle
    assert_never(kind)


def _shared(dice: random.Random, shop: str) -> dict[str, Any]:
    # Seconds of one day: events of one shop often share an instant, and come in any order.
    instant = _MORNING + timedelta(seconds=dice.randrange(86_400))
    return {
        "event_id": UUID(int=dice.getrandbits(128), version=4),
        "company_id": shop,
        "occurred_at": instant,
        "conversation_id": UUID(int=dice.getrandbits(128), version=4) if dice.random() < 0.3 else None,
    }


def _payment(dice: random.Random, shop: str) -> AnyEvent:
    return PaymentValidated(
        **_shared(dice, shop),
        user_id=_PHONE,
        amount=dice.choice([2000, 2000.5, dice.randrange(10**6)]),
        reference=dice.choice(["", "WAVE-123", "Réf. é"]),
    )


def _issue(dice: random.Random, shop: str) -> AnyEvent:
    return PaymentIssue(
        **_shared(dice, shop),
        user_id=_PHONE,
        issue_type="payment_insufficient",
        message="Montant insuffisant",
        detected_amount=dice.choice([None, 1500]),
    )


def _order(dice: random.Random, shop: str, **fields: Any) -> OrderCompleted:
    items = tuple(
        Item(name=dice.choice(["Pagne", "Couches bébé"]), quantity=dice.randint(1, 5), price=500)
        for _ in range(dice.randint(1, 3))
    )
    plain: dict[str, Any] = {
        **_shared(dice, shop),
        "user_id": _PHONE,
        "customer_name": dice.choice(["", "Awa", "Koffi"]),
        "total_amount": dice.randrange(10**6),
        "items": items,
        "zone": dice.choice([None, "Cocody"]),
    }
    return OrderCompleted(**{**plain, **fields})


def _toggle(dice: random.Random, shop: str) -> AnyEvent:
    return LiveToggled(
        **_shared(dice, shop), enabled=dice.random() < 0.5, mode=dice.choice(["live", "live", "rag"])
    )
