"""Values and texts beyond all measure: refused by name, without a traceback, and in no time."""

import asyncio
import json
from collections.abc import Callable
from decimal import Decimal
from itertools import repeat
from pathlib import Path
from typing import Any

import fakeredis
import pytest

import dropin
from events import InvalidEvent, OrderCompleted, PaymentValidated, Publisher, parse_event
from events.contracts import MOST_ITEMS
from gateway.errors import EventRefused
from operations import cli
from operations.errors import EditRefused
from operations.failed.correction import Change, correct
from operations.failed.job import payload
from worker.decode import decode

PAYMENT = '{{"type":"payment_validated","company_id":"s","user_id":"u","reference":"","amount":{}}}'
MANY = 100_000


def deep(make: Callable[[Any], Any]) -> Any:
    """Deeper than anybody follows."""
    made: Any = None
    for _ in range(MANY):
        made = make(made)
    return made


def cycle() -> list[Any]:
    """Return a value that contains itself."""
    made: list[Any] = []
    made.append(made)
    return made


class Hostile:
    """Raises whatever one does with it."""

    def __repr__(self) -> str:
        raise RuntimeError("no")

    __str__ = __repr__


VALUES: dict[str, Callable[[], Any]] = {
    "long": lambda: 10**5_000,
    "long negative": lambda: -(10**5_000),
    "exponent": lambda: Decimal("1e999999999"),
    "signalling": lambda: Decimal("sNaN"),
    "nan": lambda: float("nan"),
    "inf": lambda: float("-inf"),
    "lists": lambda: deep(lambda inner: [inner]),
    "objects": lambda: deep(lambda inner: {"a": inner}),
    "cycle": cycle,
    "surrogate": lambda: b"\xed\xa0\x80".decode(errors="surrogatepass"),
    "bytes": lambda: b"\xff",
    "hostile": Hostile,
    "hostile key": lambda: {Hostile(): 1, 10**5_000: 2},
}


@pytest.mark.parametrize("kind", VALUES)
def test_such_a_value_is_refused_natively_and_visible_with_the_old_names(kind: str) -> None:
    """An error to the program; the old names answer no, and a worker refuses it by the field's name."""
    redis = fakeredis.FakeStrictRedis()
    for field in ("company_id", "amount", "reference", "conversation_id", "key"):
        fields = {"company_id": "s", "user_id": "u", "amount": 1, "reference": "", field: VALUES[kind]()}
        if (field, kind) != ("reference", "surrogate"):
            with pytest.raises(ValueError, match=field):
                PaymentValidated(**fields)
        with Publisher(redis, within=5) as publisher:
            dropin.use(publisher)
            try:
                told = asyncio.run(dropin.log_payment_validated(**fields))
            finally:
                dropin.use(None)
        job: Any = redis.rpop("rq:queue:botlive")
        data: Any = redis.hget(f"rq:job:{job.decode()}", "data")
        published = payload(data)
        if told:
            assert (field, kind) == ("reference", "surrogate"), "a lone half is taken out of a text"
            continue
        with pytest.raises(EventRefused, match=f"contract: {field}"):
            decode(published)


TEXTS = {
    "deep": ("json", "[" * MANY),
    "deep in a field": ("json", PAYMENT.format("[" * MANY)),
    "long": ("json", PAYMENT.format("9" * MANY)),
    "exponent": ("amount", PAYMENT.format("1e999999999")),
    "nan": ("amount", PAYMENT.format("NaN")),
    "inf": ("amount", PAYMENT.format("-Infinity")),
    "surrogate": ("json", PAYMENT.format(r'"\ud800"')),
    "type": ("type", '{"type":{"a":1}}'),
}


def test_such_a_line_is_refused_and_the_others_go_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each gives one line on stderr with its number and the field."""
    redis = fakeredis.FakeStrictRedis()
    monkeypatch.setattr(Publisher, "from_env", lambda **_: Publisher(redis, within=5))
    file = tmp_path / "events.ndjson"
    file.write_text("\n".join([*(text for _, text in TEXTS.values()), PAYMENT.format(1)]))
    with pytest.raises(SystemExit) as ended:
        cli.main(["publish", str(file)])
    said = capsys.readouterr()
    starts = [f"line {number}: {field}: " for number, (field, _) in enumerate(TEXTS.values(), start=1)]
    assert [line[: len(start)] for line, start in zip(said.err.splitlines(), starts, strict=True)] == starts
    assert (ended.value.code, said.out) == (1, f"published 1, refused {len(TEXTS)}\n")


def test_a_list_without_end_costs_no_more_than_a_long_one() -> None:
    """In Python an iterator need not end; in 4 MB of JSON there are two million values, each an error."""
    with pytest.raises(ValueError, match=rf"{MOST_ITEMS + 2} validation errors"):
        OrderCompleted(company_id="s", user_id="u", total_amount=1, items=repeat(5, MANY))  # type: ignore[arg-type] # no tuple
    for text in ('"order_completed","items":[', '"live_toggled","amended":['):
        with pytest.raises(InvalidEvent):
            parse_event(f'{{"type":{text}{"0," * 100_000}0]}}')


def test_as_many_lines_as_an_order_may_have_fit() -> None:
    """The maximum number of lines fits, and one more does not."""
    line: Any = {"name": "x", "quantity": 1, "price": 1}
    fields: dict[str, Any] = {"company_id": "s", "user_id": "u", "total_amount": 1}
    assert len(OrderCompleted(**fields, items=(line,) * MOST_ITEMS).items) == MOST_ITEMS
    with pytest.raises(ValueError, match="at most 1000 items"):
        OrderCompleted(**fields, items=(line,) * (MOST_ITEMS + 1))


@pytest.mark.parametrize(
    "assignment",
    [
        f"amount={'9' * 5_000}",
        "amount=NaN",
        "amount=1e999",
        f"amount={'[' * MANY}",
        f"x={'[' * 900}{']' * 900}",
        f"items.{'9' * 5_000}.price=1",
        "items.²=1",
    ],
)
def test_such_a_correction_is_refused(assignment: str) -> None:
    """The error is one line, for any text on either side of the sign."""
    event = PaymentValidated(company_id="s", user_id="u", amount=1, reference="")
    call = json.dumps(["worker.job.persist", None, [event.content()], {}]).encode()
    with pytest.raises(EditRefused) as refused:
        correct(call, [Change.of(assignment)])
    assert "\n" not in str(refused.value)
