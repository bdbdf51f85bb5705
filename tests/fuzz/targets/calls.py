"""Calls of the old functions (``dropin``) with any arguments."""

from collections.abc import Callable, Coroutine, Iterable, Mapping
from contextlib import ExitStack
from datetime import datetime
from decimal import Decimal
from typing import Any, NamedTuple
from unittest.mock import patch
from uuid import UUID

import dropin
from dropin import sender
from events import Event, Item, Publisher
from events.publishing.call import Call
from events.publishing.keys import Keys
from gateway.errors import EventRefused
from tests.fuzz.canaries import PHONE, SECRET, VALUE
from tests.fuzz.capture import capture
from tests.fuzz.dice import Dice
from tests.fuzz.loop import Loop
from tests.fuzz.target import Target, no_canary
from worker.decode import read
from worker.persister import Delivery

_KEYS = Keys("botlive")
_Function = Callable[..., Coroutine[Any, Any, Any]]
_FUNCTIONS: Mapping[str, tuple[_Function, tuple[str, ...], tuple[type, ...]]] = {
    "payment": (dropin.log_payment_validated, ("company_id", "user_id", "amount", "reference"), (bool,)),
    "issue": (
        dropin.log_payment_issue,
        ("company_id", "user_id", "issue_type", "message", "detected_amount", "required_amount"),
        (bool,),
    ),
    "order": (
        dropin.create_order,
        ("company_id", "user_id", "customer_name", "total_amount", "items", "zone", "phone"),
        (dict, type(None)),
    ),
    "start": (dropin.start_session, ("company_id", "mode"), (str, type(None))),
    "end": (dropin.end_session, ("session_id", "company_id"), (bool,)),
}
_GOOD = {
    "company_id": "shop",
    "user_id": PHONE,
    "amount": 2000,
    "reference": VALUE,
    "issue_type": "payment_insufficient",
    "message": VALUE,
    "customer_name": VALUE,
    "total_amount": 12000,
    "items": [{"name": VALUE, "quantity": 1, "price": 5}],
    "zone": VALUE,
    "phone": PHONE,
    "mode": "live",
    "session_id": "s",
    "detected_amount": 5,
    "required_amount": None,
}


class _Raising:
    """An object whose methods all raise an error that contains canaries."""

    def __getattribute__(self, name: str) -> Any:
        raise RuntimeError(f"{VALUE} {PHONE} {SECRET}")

    def _raise(self, *_: Any) -> Any:
        raise RuntimeError(f"{VALUE} {PHONE} {SECRET}")

    __str__ = __repr__ = __eq__ = __hash__ = __bool__ = __len__ = __iter__ = __format__ = _raise


class _Text(str):
    """A subclass of str that cannot be converted to text."""

    __slots__ = ()

    def __str__(self) -> str:
        raise RuntimeError(VALUE)


def _deep(levels: int) -> Any:
    nest: Any = VALUE
    for _ in range(levels):
        nest = [nest]
    return nest


def _endless() -> dict[str, Any]:
    round_about: dict[str, Any] = {}
    round_about["again"] = round_about
    return round_about


_OBJECTS: tuple[Callable[[], Any], ...] = (
    _Raising,
    lambda: _Text(VALUE),
    lambda: _deep(5_000),
    _endless,
    object,
    lambda: Decimal("sNaN"),
    lambda: Decimal("1E+99999"),
    lambda: Decimal("12.50"),
    lambda: Decimal(10**30),
    lambda: 10**5_000,
    lambda: complex(1, 1),
    lambda: datetime(2026, 1, 1),  # callers pass naive times
    lambda: {1, 2},
    lambda: b"\xff",
    lambda: bytearray(5),
    lambda: (VALUE for _ in range(3)),
    lambda: iter(int, 1),
    lambda: print,
    lambda: Item(name=VALUE, quantity=1, price=1),
    lambda: [Item(name=VALUE, quantity=1, price=1)],
    lambda: {_Raising: 1},
    lambda: ValueError(VALUE),
    lambda: type,
    lambda: [{"name": VALUE, "quantity": Decimal(1), "price": 0.1}] * 1_002,
    lambda: {("a",): 1},
)


class Called(NamedTuple):
    """A call of one function."""

    name: str
    positional: list[Any]
    named: dict[Any, Any]


class Recording(Publisher):
    """Records the calls, encoded as redis-py would encode them."""

    def __init__(self) -> None:
        self.calls: list[Call] = []

    async def apublish(self, event: Event) -> UUID:
        """Record the call."""
        return self._take(Call.of(event))

    async def apublish_unchecked(
        self, event_type: str, payload: Mapping[str, Any], *, event_id: UUID | None = None
    ) -> UUID:
        """Record the call."""
        return self._take(Call.unchecked(event_id, event_type, payload))

    def _take(self, call: Call) -> UUID:
        "".join(call.arguments(_KEYS, call.own_id)).encode()
        self.calls.append(call)
        return call.event_id


class Calls(Target):
    """A call never raises, is queued once, and its return value says whether it was accepted."""

    name, share = "calls", 80
    outcomes = frozenset({"accepted", "refused"})

    def open(self, stack: ExitStack) -> None:
        """Create an event loop and a publisher."""
        self._loop = stack.enter_context(Loop())
        self._publisher = Recording()

    def enter(self, stack: ExitStack) -> None:
        """Replace the publisher of ``dropin``."""
        stack.enter_context(patch.object(sender, "_given", self._publisher))

    def make(self, dice: Dice) -> Called:
        """Create a call."""
        name = dice.choice([*_FUNCTIONS])
        fields = {field: _GOOD[field] for field in _FUNCTIONS[name][1]}
        for _ in range(dice.choice((0, 1, 1, 2, 3))):
            fields[dice.choice([*fields])] = _value(dice)
        positional = [fields.pop(field) for field in [*fields][: dice.choice((0, 2, 3, 9))]]
        match dice.randrange(12):
            case 0:
                positional += [_value(dice)] * dice.choice((1, 5))
            case 1:
                fields[
                    dice.choice(("conversation_id", "key", "user_id", "event_id", "type", dice.text()))
                ] = _value(dice)
            case 2 if fields:
                fields.pop(dice.choice([*fields]))
            case 3:
                fields["key"] = _value(dice)
        return Called(name, positional, fields)

    def check(self, case: Called) -> Iterable[str]:
        """Call the function."""
        function, _, answers = _FUNCTIONS[case.name]
        self._publisher.calls = []
        with capture() as captured:
            answer = self._loop.run(lambda: function(*case.positional, **case.named))
        no_canary(captured.all, "the log")
        assert isinstance(answer, answers), f"the answer is a {type(answer).__name__}"
        assert len(self._publisher.calls) == 1, "a call is not queued exactly once"
        return [self._judged(self._publisher.calls[0], answer)]

    def _judged(self, call: Call, answer: Any) -> str:
        try:
            event = read(call.data.encode())
        except EventRefused as error:
            no_canary(error.report, "a refusal")
            assert not answer, "the return value says accepted, but the event is refused"
            return "refused"
        Delivery.of(call.own_id, event)
        assert answer, "the return value says refused, but the event is accepted"
        return "accepted"


def _value(dice: Dice) -> Any:
    return dice.choice(_OBJECTS)() if dice.chance(0.4) else dice.value()
