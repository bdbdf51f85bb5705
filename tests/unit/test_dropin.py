"""The drop-in: it never raises into the chat, and every call gives an event or a visible refusal."""

import asyncio
import json
import logging
import math
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from types import ModuleType
from typing import Any
from uuid import UUID

import fakeredis
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import dropin
from dropin import sessions
from events import (
    Event,
    InvalidEvent,
    Item,
    LiveToggled,
    OrderCompleted,
    PaymentIssue,
    PaymentValidated,
    Publisher,
    PublisherClosed,
    PublishError,
    parse_event,
)
from events.fields import LONGEST_NAME, LONGEST_TEXT
from tests.replies import octets, text

_ROOT = Path(__file__).parents[2]
_PHONE = "+2250712345678"
_CONVERSATION = "7e82d821-1dbf-428b-9b90-c4963d0822e0"
_ITEMS: list[dict[str, Any]] = [{"name": "Pagne", "quantity": 2, "price": 6000}]


@pytest.fixture
def server() -> fakeredis.FakeServer:
    """A fake Redis for the test that can be disconnected."""
    return fakeredis.FakeServer()


@pytest.fixture
def redis(server: fakeredis.FakeServer) -> Iterator[fakeredis.FakeStrictRedis]:
    """A connection to the fake Redis, through which the drop-in publishes."""
    connection = fakeredis.FakeStrictRedis(server=server)
    dropin.use(Publisher(connection, within=10))
    yield connection
    dropin.use(None)


def _payloads(redis: fakeredis.FakeStrictRedis) -> list[Any]:
    """Returns the payloads on the queue, in their order."""
    ids = redis.lrange("rq:queue:botlive", 0, -1)
    jobs = [redis.hgetall(f"rq:job:{text(job_id)}") for job_id in ids]
    payloads = [json.loads(job[b"data"])[2][0] for job in jobs]
    assert [payload["event_id"].encode() for payload in payloads] == ids
    return payloads


def _event(redis: fakeredis.FakeStrictRedis) -> Event:
    (payload,) = _payloads(redis)
    return parse_event(json.dumps(payload))


def _refusal(redis: fakeredis.FakeStrictRedis) -> str:
    """Returns the field for which a worker will refuse the only job."""
    with pytest.raises(InvalidEvent) as refusal:
        _event(redis)
    return refusal.value.field


def _pay(**fields: Any) -> bool:
    plain: dict[str, Any] = {"company_id": "shop", "user_id": _PHONE, "amount": 2000, "reference": "WAVE-123"}
    return asyncio.run(dropin.log_payment_validated(**(plain | fields)))


def _order(**fields: Any) -> Any:
    plain = {"company_id": "shop", "user_id": _PHONE, "customer_name": "Awa", "total_amount": 12000}
    given: dict[str, Any] = {**plain, "items": _ITEMS, **fields}
    return asyncio.run(dropin.create_order(**given))


def _same(event: Event, contract: type[Event], **fields: Any) -> bool:
    return event == contract(event_id=event.event_id, occurred_at=event.occurred_at, **fields)


def test_a_payment_is_published(redis: fakeredis.FakeStrictRedis) -> None:
    """The call of the customer's snippet publishes one event and returns True."""
    assert _pay() is True
    event = _event(redis)
    assert _same(
        event, PaymentValidated, company_id="shop", user_id=_PHONE, amount=2000, reference="WAVE-123"
    )


def test_a_payment_by_position_with_its_conversation(redis: fakeredis.FakeStrictRedis) -> None:
    """Positional arguments work as in the old signature; the conversation is published as text."""
    arguments = ("shop", _PHONE, 2000, "WAVE-123")
    assert asyncio.run(dropin.log_payment_validated(*arguments, conversation_id=_CONVERSATION))
    assert _event(redis).conversation_id == UUID(_CONVERSATION)


@pytest.mark.parametrize("given", [{}, {"reference": None}])
def test_a_payment_without_a_reference(redis: fakeredis.FakeStrictRedis, given: dict[str, Any]) -> None:
    """A missing reference or None becomes empty and does not count as amended."""
    assert asyncio.run(dropin.log_payment_validated("shop", _PHONE, 5, **given)) is True
    event = _event(redis)
    assert _same(event, PaymentValidated, company_id="shop", user_id=_PHONE, amount=5, reference="")


def test_a_payment_issue_is_published(redis: fakeredis.FakeStrictRedis) -> None:
    """An issue is published with the amounts, if the caller gives them."""
    fields: dict[str, Any] = {
        "user_id": _PHONE,
        "issue_type": "payment_insufficient",
        "message": "Montant insuffisant",
        "detected_amount": 500,
        "required_amount": 2000,
    }
    assert asyncio.run(dropin.log_payment_issue("shop", **fields)) is True
    assert _same(_event(redis), PaymentIssue, company_id="shop", **fields)


def test_an_order_is_published_and_known_at_once(redis: fakeredis.FakeStrictRedis) -> None:
    """The result has the order's id and fields; ``log_order_created`` publishes nothing more."""
    order = _order(zone="Yopougon", total_amount=Decimal("12000.50"))
    event = _event(redis)
    assert order["id"] == str(event.event_id)
    assert order["total_amount"] == Decimal("12000.50")
    assert (order["status"], order["customer_name"], order["zone"]) == ("pending", "Awa", "Yopougon")
    assert asyncio.run(
        dropin.log_order_created(
            company_id="shop", customer_name="Awa", order_id=order["id"], total_amount=order["total_amount"]
        )
    )
    assert len(_payloads(redis)) == 1
    assert _same(
        event,
        OrderCompleted,
        company_id="shop",
        user_id=_PHONE,
        customer_name="Awa",
        total_amount=12000.5,
        items=(Item(**_ITEMS[0]),),
        zone="Yopougon",
    )


@pytest.mark.parametrize(
    "items",
    [tuple(_ITEMS), iter(_ITEMS), [Item(**_ITEMS[0])], (dict(line) for line in _ITEMS)],
    ids=["tuple", "iterator", "model", "generator"],
)
def test_an_orders_lines_may_come_in_any_sequence(redis: fakeredis.FakeStrictRedis, items: Any) -> None:
    """The items may be in any iterable."""
    _order(items=items)
    event = _event(redis)
    assert isinstance(event, OrderCompleted)
    assert event.items == (Item(**_ITEMS[0]),)


def test_a_generators_lines_are_kept_for_the_failed_registry(redis: fakeredis.FakeStrictRedis) -> None:
    """The items of a generator are kept, even if the contract refuses the order."""
    _order(items=(dict(line) for line in _ITEMS), total_amount="much")
    assert _payloads(redis)[0]["items"] == _ITEMS
    assert _refusal(redis) == "total_amount"


def test_a_session_begins_and_ends(redis: fakeredis.FakeStrictRedis) -> None:
    """The handle is that of the last start. To end it publishes a disable, later than the enable."""

    async def day() -> tuple[str | None, Any, bool]:
        session_id = await dropin.start_session("shop-a", "rag")
        active = await dropin.get_active_session("shop-a")
        assert active
        return session_id, active, await dropin.end_session(active["id"], "shop-a")

    session_id, active, ended = asyncio.run(day())
    on, off = (parse_event(json.dumps(payload)) for payload in _payloads(redis))
    assert session_id == str(on.event_id)
    assert active == {"id": session_id, "company_id": "shop-a"}
    assert ended is True
    assert _same(on, LiveToggled, company_id="shop-a", enabled=True, mode="rag")
    assert _same(off, LiveToggled, company_id="shop-a", enabled=False)
    assert on.occurred_at < off.occurred_at


def test_a_handle_is_there_also_where_no_session_was_begun_here(redis: fakeredis.FakeStrictRedis) -> None:
    """There is always a handle, because another process may have started the session."""
    asyncio.run(dropin.start_session("shop-b"))
    active = asyncio.run(dropin.get_active_session("shop-c"))
    assert active
    assert active["company_id"] == "shop-c"
    assert UUID(active["id"]) != UUID(sessions._started["shop-b"])
    assert asyncio.run(dropin.end_session(active["id"], "shop-c")) is True
    assert len(_payloads(redis)) == 2


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("a\0b\0", "ab"),
        ("x" * (LONGEST_NAME + 1), "x" * LONGEST_NAME),
        ("\0" + "é" * LONGEST_NAME, "é" * LONGEST_NAME),
        ("half \ud83d.", "half ."),
        ("two halves \ud83d\ude00", "two halves \U0001f600"),
    ],
)
def test_a_text_that_does_not_fit_is_amended(redis: fakeredis.FakeStrictRedis, text: str, kept: str) -> None:
    """A text that does not fit is cleaned and cut, and ``amended`` names the field."""
    assert _pay(reference=text) is True
    event = _event(redis)
    assert isinstance(event, PaymentValidated)
    assert (event.reference, event.amended) == (kept, ("reference",))


def test_all_that_was_amended_is_named(redis: fakeredis.FakeStrictRedis) -> None:
    """``amended`` names each changed field by its path, also in items."""
    lines = [*_ITEMS, {"name": "Sac\0", "quantity": 1, "price": 5}]
    _order(customer_name="Awa\0", zone="z" * 5_000, phone="1\0", items=lines, user_id=f"{_PHONE}\0")
    event = _event(redis)
    assert isinstance(event, OrderCompleted)
    assert event.amended == ("user_id", "customer_name", "items.1.name", "zone", "phone")
    assert (event.customer_name, event.user_id, event.items[1].name) == ("Awa", _PHONE, "Sac")


@pytest.mark.parametrize(("length", "amended"), [(LONGEST_TEXT, None), (LONGEST_TEXT + 1, ("message",))])
def test_a_message_is_cut_at_its_own_limit(
    redis: fakeredis.FakeStrictRedis, length: int, amended: Any
) -> None:
    """A message is cut at its own limit; a text that fits is not changed."""
    asyncio.run(dropin.log_payment_issue("shop", _PHONE, "other", "é" * length))
    event = _event(redis)
    assert isinstance(event, PaymentIssue)
    assert (len(event.message), event.amended) == (LONGEST_TEXT, amended)


@pytest.mark.parametrize("field", ["user_id", "company_id"])
def test_an_id_is_never_cut(redis: fakeredis.FakeStrictRedis, field: str) -> None:
    """An id is refused and never cut, because a part of an id is another id."""
    assert _pay(**{field: "9" * 129}) is False
    assert _refusal(redis) == field
    redis.flushall()
    assert _pay(**{field: "9" * 2_000_000}) is False
    assert _refusal(redis) == field
    assert len(json.dumps(_payloads(redis)[0])) < 1_000_000


_WRONG: list[Any] = [
    ("amount", "2000"),
    ("amount", None),
    ("amount", math.nan),
    ("amount", math.inf),
    ("amount", -1),
    ("amount", 10**400),
    pytest.param("amount", 10**5_000, id="amount-huge"),
    ("amount", Decimal("sNaN")),
    ("amount", {1, 2}),
    ("amount", object()),
    ("company_id", ""),
    ("company_id", None),
    ("user_id", 2250712345678),
    ("user_id", b"+2250712345678"),
    ("user_id", math.nan),
    ("user_id", "\0"),
    ("user_id", object()),
    ("reference", 5),
    ("reference", object()),
    ("reference", ["\ud800"]),
    ("reference", {"\ud800": "\udfff", 1: 2, None: ()}),
    ("conversation_id", "none"),
    pytest.param("conversation_id", 10**5_000, id="conversation_id-huge"),
]


@pytest.mark.parametrize(("field", "value"), _WRONG)
def test_what_fits_no_contract_is_published_to_be_refused(
    redis: fakeredis.FakeStrictRedis, caplog: pytest.LogCaptureFixture, field: str, value: Any
) -> None:
    """An invalid payload is published unchecked. The log has the event's id and field, not the value."""
    assert _pay(**{field: value}) is False
    assert _refusal(redis) == field
    (record,) = caplog.records
    assert (record.name, record.levelname) == ("botlive.dropin", "WARNING")
    event_id = _payloads(redis)[0]["event_id"]
    assert f"{event_id} (payment_validated) does not fit: {field};" in record.getMessage()
    assert _PHONE not in caplog.text


def test_its_neighbours_in_the_payload_stay_readable(redis: fakeredis.FakeStrictRedis) -> None:
    """The payload keeps all other fields in a form that the contract accepts."""
    lines = [Item(name="Pagne", quantity=1, price=Decimal("0.5"))]
    _order(items=lines, total_amount="much", conversation_id=UUID(_CONVERSATION), zone="é\0")
    (payload,) = _payloads(redis)
    del payload["event_id"]
    assert datetime.fromisoformat(payload.pop("occurred_at")).tzinfo == UTC
    assert payload == {
        "type": "order_completed",
        "version": 1,
        "company_id": "shop",
        "conversation_id": _CONVERSATION,
        "user_id": _PHONE,
        "customer_name": "Awa",
        "total_amount": "much",
        "items": [{"name": "Pagne", "quantity": 1, "price": 0.5}],
        "zone": "é",
        "phone": None,
        "amended": ["zone"],
    }


@pytest.mark.parametrize(
    ("call", "field"),
    [
        (lambda: dropin.log_payment_validated("shop", _PHONE), "amount"),  # type: ignore[call-arg] # one too few
        (lambda: dropin.log_payment_validated("shop", _PHONE, 5, currency="XOF"), "currency"),  # type: ignore[call-arg] # unknown
        (lambda: dropin.log_payment_validated("shop", _PHONE, 5, "", "XOF"), "arguments"),  # type: ignore[call-arg] # one too many
        (lambda: dropin.log_payment_validated("shop", _PHONE, 5, company_id="x"), "arguments"),  # type: ignore[misc] # given twice
        (dropin.create_order, "company_id"),
        (dropin.start_session, "company_id"),
        (lambda: dropin.end_session("only one"), "company_id"),  # type: ignore[call-arg] # one too few
    ],
)
def test_a_wrong_call_is_kept_too(
    redis: fakeredis.FakeStrictRedis,
    caplog: pytest.LogCaptureFixture,
    call: Callable[[], Any],
    field: str,
) -> None:
    """A missing, unknown or surplus argument raises nothing. The arguments are published unchecked."""
    assert not asyncio.run(call())
    assert _refusal(redis) == field
    assert "is called with wrong arguments: " in caplog.text
    assert _PHONE not in caplog.text


@pytest.mark.parametrize(
    ("call", "answer"),
    [
        (lambda: dropin.log_order_created("shop"), True),  # type: ignore[call-arg] # too few
        (lambda: dropin.get_orders(shop="shop"), []),  # type: ignore[call-arg] # unknown
    ],
)
def test_a_wrong_call_of_what_publishes_nothing(
    redis: fakeredis.FakeStrictRedis,
    caplog: pytest.LogCaptureFixture,
    call: Callable[[], Any],
    answer: object,
) -> None:
    """It is logged, it has the answer of a call that fails, and there is no event to keep."""
    assert asyncio.run(call()) == answer
    assert "is called with wrong arguments: " in caplog.text
    assert redis.keys() == []


@pytest.mark.parametrize("fields", [{}, {"amount": "bad"}])
def test_without_redis_one_line_says_which_event(
    server: fakeredis.FakeServer,
    redis: fakeredis.FakeStrictRedis,
    caplog: pytest.LogCaptureFixture,
    fields: dict[str, Any],
) -> None:
    """Without Redis there is one ERROR line with the event's id and type, and the result is False."""
    server.connected = False
    assert _pay(**fields) is False
    (record,) = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert record.name == "botlive.dropin"
    assert record.exc_info is None
    assert "(payment_validated) is not published: Redis did not confirm the event" in record.getMessage()
    assert "the connection to Redis failed" in record.getMessage()
    UUID(record.getMessage().split()[1])
    assert _PHONE not in caplog.text
    assert "WAVE" not in caplog.text


def test_without_redis_the_chat_goes_on(
    server: fakeredis.FakeServer, redis: fakeredis.FakeStrictRedis
) -> None:
    """Without Redis, orders, sessions and handles are returned with ids, as usual."""
    server.connected = False
    order = _order()
    assert UUID(order["id"])
    assert order["total_amount"] == 12000
    session_id = asyncio.run(dropin.start_session("shop-d", "live"))
    assert asyncio.run(dropin.get_active_session("shop-d")) == {"id": session_id, "company_id": "shop-d"}
    assert asyncio.run(dropin.end_session(session_id, "shop-d")) is False


class _Broken(Publisher):
    async def apublish(self, event: Event) -> UUID:
        raise RuntimeError(f"a bug with {_PHONE}")


def test_a_bug_is_logged_without_values(
    redis: fakeredis.FakeStrictRedis, caplog: pytest.LogCaptureFixture
) -> None:
    """A bug is logged with its type and place, without its message, which may quote the event."""
    dropin.use(_Broken(redis))
    assert _pay() is False
    assert UUID(_order()["id"])
    assert [record.levelname for record in caplog.records] == ["ERROR", "ERROR"]
    assert "RuntimeError (" in caplog.text
    assert f"{Path(__file__).name}:" in caplog.text
    assert _PHONE not in caplog.text


def test_a_redis_url_that_is_none_is_no_concern_of_the_chat(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A wrong REDIS_URL is logged at each event, without its password, and works once it is corrected."""
    monkeypatch.setenv("REDIS_URL", "http://:hunter2@nowhere")
    assert _pay() is False
    assert "REDIS_URL is not a valid Redis URL" in caplog.text
    assert "hunter2" not in caplog.text


def test_a_cancelled_chat_is_cancelled(
    redis: fakeredis.FakeStrictRedis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A cancellation by the chat is passed on."""

    async def cancelled(*_: object) -> None:
        raise asyncio.CancelledError

    monkeypatch.setattr(Publisher, "apublish", cancelled)
    with pytest.raises(asyncio.CancelledError):
        _pay()


def test_publishing_does_not_block_the_loop(
    redis: fakeredis.FakeStrictRedis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While Redis is slow, the event loop runs other tasks."""
    connection = redis.connection_pool.connection_class
    send = connection.send_packed_command
    loop: asyncio.AbstractEventLoop

    def slow(*arguments: Any, **options: Any) -> Any:
        asyncio.run_coroutine_threadsafe(others(), loop).result(5)
        return send(*arguments, **options)

    async def others() -> None:
        """Another task of the chat."""

    async def chat() -> bool:
        nonlocal loop
        loop = asyncio.get_running_loop()
        return await dropin.log_payment_validated("shop", _PHONE, 5)

    monkeypatch.setattr(connection, "send_packed_command", slow)
    dropin.use(Publisher(redis, within=10))
    assert asyncio.run(chat()) is True


def _reads(monkeypatch: pytest.MonkeyPatch, get_orders: Any) -> None:
    module = ModuleType("dashboard.reads")
    vars(module).update(get_orders=get_orders)
    package = ModuleType("dashboard")
    vars(package).update(reads=module)
    monkeypatch.setitem(sys.modules, "dashboard", package)
    monkeypatch.setitem(sys.modules, "dashboard.reads", module)


def test_orders_are_read_from_the_dashboard(monkeypatch: pytest.MonkeyPatch) -> None:
    """Orders are read with the old defaults, by position or keyword."""

    async def get_orders(*arguments: Any) -> list[dict[str, Any]]:
        return [{"asked": arguments}]

    _reads(monkeypatch, get_orders)
    assert asyncio.run(dropin.get_orders("shop")) == [{"asked": ("shop", "pending", 50)}]
    assert asyncio.run(dropin.get_orders("shop", status=None, limit=3)) == [{"asked": ("shop", None, 3)}]


def test_orders_that_cannot_be_read_are_none_and_logged(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A failed read returns an empty list and is logged; the message is logged only if it is ours."""

    async def away(*_: Any) -> list[Any]:
        raise PublisherClosed

    _reads(monkeypatch, away)
    assert asyncio.run(dropin.get_orders("shop")) == []
    assert "get_orders failed: PublisherClosed: The publisher is closed" in caplog.text


def test_orders_without_the_extra_that_reads_them(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The log names the module that is missing."""
    monkeypatch.setitem(sys.modules, "dashboard", None)
    assert asyncio.run(dropin.get_orders("shop")) == []
    assert "ModuleNotFoundError" in caplog.text
    assert "dashboard" in caplog.text


def test_it_imports_nothing_but_the_plain_install() -> None:
    """The drop-in imports neither the worker nor the dashboard, nor their dependencies."""
    script = "import dropin, sys, json; print(json.dumps([*sys.modules]))"
    shown = subprocess.run([sys.executable, "-c", script], capture_output=True, check=True, cwd=_ROOT).stdout
    loaded = {name.partition(".")[0] for name in json.loads(shown)}
    assert not loaded & {"dashboard", "fastapi", "httpx", "rq", "structlog", "supabase", "worker"}


def test_a_forked_child_has_a_publisher_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """A forked child makes a new publisher, because the connections belong to the parent."""
    code = """
import os, sys
from dropin import sender
first = sender._from_env()
assert sender._from_env() is first
child = os.fork()
if not child:
    os._exit(0 if sender._from_env() is not first else 1)
sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""
    assert subprocess.run([sys.executable, "-c", code], check=False, cwd=_ROOT).returncode == 0


def test_publish_unchecked_has_the_jobs_usual_fields(redis: fakeredis.FakeStrictRedis) -> None:
    """An unchecked job has a new id and the known type as its description, without data of the payload."""
    publisher = Publisher(redis, within=10)
    first = publisher.publish_unchecked("payment_validated", {"user_id": _PHONE, "amount": "?"})
    second = asyncio.run(publisher.apublish_unchecked(_PHONE, {"event_id": "theirs", "version": 7}))
    assert [payload["event_id"] for payload in _payloads(redis)] == [str(first), str(second)]
    event = PaymentValidated(company_id="shop", user_id=_PHONE, amount=1, reference="")
    publisher.publish(event)
    ours = redis.hgetall(f"rq:job:{event.event_id}")
    for event_id, description in ((first, b"payment_validated"), (second, b"event")):
        job = redis.hgetall(f"rq:job:{event_id}")
        assert job[b"description"] == description
        assert job.keys() == ours.keys()
        del job[b"data"]
        assert _PHONE.encode() not in b" ".join(map(octets, job.values()))


def test_publish_unchecked_raises_publish_errors_only(
    server: fakeredis.FakeServer, redis: fakeredis.FakeStrictRedis
) -> None:
    """``publish_unchecked`` raises only ``PublishError``, if Redis is away or the publisher is closed."""
    publisher = Publisher(redis, within=10)
    server.connected = False
    with pytest.raises(PublishError):
        publisher.publish_unchecked("payment_validated", {})
    publisher.close()
    with pytest.raises(PublisherClosed):
        publisher.publish_unchecked("payment_validated", {})


def _endless() -> list[Any]:
    endless: list[Any] = []
    endless.append({"again": endless, "twice": endless})
    return endless


class _Hostile:
    def __repr__(self) -> str:
        raise RuntimeError

    def __eq__(self, other: object) -> bool:
        raise RuntimeError

    __hash__ = object.__hash__


class _HostileDict(dict[str, Any]):
    def items(self) -> Any:
        raise RuntimeError

    keys = values = __iter__ = items


class _HostileText(str):
    def __eq__(self, other: object) -> bool:
        raise RuntimeError

    encode = replace = __getitem__ = __str__ = __eq__  # type: ignore[assignment] # hostile
    __hash__ = str.__hash__


@pytest.mark.parametrize(
    "value",
    [
        _endless(),
        _Hostile(),
        _HostileDict(a=1),
        [_HostileDict()],
        _HostileText("x"),
        [[[]] * 1_000] * 1_000,
        [0] * 100_000,
        b"x" * 2_000_000,
    ],
    ids=["endless", "object", "dict", "list", "text", "wide", "long", "bytes"],
)
@pytest.mark.parametrize("field", ["reference", "amount", "user_id", "conversation_id"])
def test_no_value_is_too_hostile(redis: fakeredis.FakeStrictRedis, field: str, value: Any) -> None:
    """With an endless, unreadable or huge value the call returns, and the log names the field."""
    assert _pay(**{field: value}) is False
    assert _refusal(redis) == field
    assert len(json.dumps(_payloads(redis)[0])) < 1_000_000


_halves = st.text(st.characters(), max_size=8)  # includes lone surrogates
_scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.decimals(),
    _halves,
    st.binary(max_size=8),
    st.just("x" * 2_000),
    st.builds(lambda: 10**5_000),
    st.uuids(),
    st.datetimes(),
    st.builds(object),
    st.builds(_Hostile),
)
_anything = st.recursive(
    _scalars,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.lists(inner, max_size=3).map(tuple),
        st.lists(inner, max_size=3).map(iter),
        st.frozensets(st.integers() | _halves, max_size=3),
        st.dictionaries(_halves | st.integers(), inner, max_size=3),
        st.fixed_dictionaries({"name": inner, "quantity": inner, "price": inner}),
    ),
    max_leaves=6,
)
_CALLS: list[tuple[Callable[..., Any], list[str], int]] = [
    (dropin.log_payment_validated, ["company_id", "user_id", "amount", "reference", "conversation_id"], 1),
    (dropin.log_payment_issue, ["company_id", "user_id", "issue_type", "message", "detected_amount"], 1),
    (dropin.create_order, ["company_id", "user_id", "customer_name", "total_amount", "items", "zone"], 1),
    (dropin.log_order_created, ["company_id", "customer_name", "order_id", "total_amount"], 0),
    (dropin.start_session, ["company_id", "mode"], 1),
    (dropin.end_session, ["session_id", "company_id"], 1),
    (dropin.get_active_session, ["company_id"], 0),
]
_GOOD = {
    "company_id": "shop",
    "user_id": _PHONE,
    "amount": 5,
    "total_amount": 5,
    "items": _ITEMS,
    "mode": "live",
    "message": "",
    "issue_type": "",
    "customer_name": "",
    "order_id": "",
    "session_id": "",
}


def _accepted_or_named(payload: Any) -> bool:
    try:
        return bool(parse_event(json.dumps(payload)))
    except InvalidEvent as refusal:
        return refusal.field not in {"json", "type", ""}


@pytest.mark.slow
@settings(max_examples=100)
@given(data=st.data())
def test_every_call_ends_in_an_event_or_in_sight(data: st.DataObject) -> None:
    """Any arguments give no exception and one job: an event, or a payload that a worker will refuse."""
    function, names, jobs = data.draw(st.sampled_from(_CALLS))
    positional = data.draw(st.lists(_anything, max_size=3) | st.just([]))
    odd = st.dictionaries(st.sampled_from(names) | _halves, _anything, max_size=3)
    keywords = {**{name: _GOOD[name] for name in names if name in _GOOD}, **data.draw(odd)}
    redis = fakeredis.FakeStrictRedis(server=fakeredis.FakeServer())
    dropin.use(Publisher(redis, within=10))
    try:
        asyncio.run(function(*positional, **keywords))
    finally:
        dropin.use(None)
    payloads = _payloads(redis)
    assert len(payloads) == jobs
    assert all(_accepted_or_named(payload) for payload in payloads)


@settings(max_examples=200)
@given(text=st.text(st.characters()))
def test_an_amended_text_holds_all_that_json_can_carry(text: str) -> None:
    """Split surrogate pairs are joined, lone surrogates and zero bytes are removed, other text is kept."""
    from dropin.fitting import fit  # noqa: PLC0415 - it is no name of the drop-in's

    kept = fit({"message": text})["message"]
    pairs = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    assert kept == pairs.replace("\ufffd", "").replace("\0", "") or "\ufffd" in text
    kept.encode()


@pytest.mark.parametrize(("field", "value"), _WRONG)
def test_a_worker_refuses_it_in_one_line(redis: fakeredis.FakeStrictRedis, field: str, value: Any) -> None:
    """The reason names the field and holds no value."""
    pytest.importorskip("rq")
    from gateway.errors import EventRefused  # noqa: PLC0415 - the plain install has no worker
    from worker.decode import decode  # noqa: PLC0415

    _pay(**{field: value})
    with pytest.raises(EventRefused) as refusal:
        decode(_payloads(redis)[0])
    reason = str(refusal.value)
    assert reason.startswith(f"the event does not fit its contract: {field}: ")
    assert "\n" not in reason
    assert "2250712345678" not in reason


def test_every_name_of_the_first_integration_is_there() -> None:
    """Every function of the first integration exists and is a coroutine function."""
    names = {"log_payment_validated", "log_payment_issue", "create_order", "log_order_created"}
    names |= {"start_session", "end_session", "get_active_session", "get_orders"}
    assert names | {"use"} == set(dropin.__all__)
    assert all(asyncio.iscoroutinefunction(getattr(dropin, name)) for name in names)


@pytest.mark.parametrize(
    ("key", "kept"), [("wamid.1", "wamid.1"), (17, "17"), (UUID(_CONVERSATION), _CONVERSATION)]
)
def test_a_key_makes_the_id(redis: fakeredis.FakeStrictRedis, key: Any, kept: str) -> None:
    """A second call with the same key publishes nothing more and returns the same."""
    assert [_pay(key=key), _pay(key=key)] == [True, True]
    event = _event(redis)
    assert event.key == kept
    assert event.event_id.version == 5
    assert _order(key=key)["id"] == _order(key=key)["id"]


@pytest.mark.parametrize("key", [None, ""])
def test_no_key_is_no_refusal(redis: fakeredis.FakeStrictRedis, key: Any) -> None:
    """Without a key, each call publishes a new event."""
    assert [_pay(key=key), _pay(key=key)] == [True, True]
    first, second = (parse_event(json.dumps(payload)) for payload in _payloads(redis))
    assert (first.key, second.key) == (None, None)


@pytest.mark.parametrize("key", [True, b"wamid.1", 1.5, ["wamid.1"], "x" * (LONGEST_NAME + 1)])
def test_a_key_that_is_none_is_named(redis: fakeredis.FakeStrictRedis, key: Any) -> None:
    """A wrong key is refused visibly."""
    assert _pay(key=key) is False
    assert _refusal(redis) == "key"


@pytest.mark.parametrize("company_id", [None, ""])
def test_what_is_refused_at_once_is_told(redis: fakeredis.FakeStrictRedis, company_id: Any) -> None:
    """For a refused event, ``create_order`` and ``start_session`` return None and the others False."""
    calls: list[Any] = [
        dropin.create_order(company_id, _PHONE, "Awa", 5, _ITEMS),
        dropin.start_session(company_id),
        dropin.end_session(None, company_id),
        dropin.log_payment_validated(company_id, _PHONE, 5),
        dropin.log_payment_issue(company_id, _PHONE, "other", ""),
    ]
    assert [asyncio.run(each) for each in calls] == [None, None, False, False, False]
    assert len(_payloads(redis)) == 5
    assert company_id not in sessions._started
