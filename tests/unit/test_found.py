"""Regression tests for what fuzzing found in code without a server, each case as small as possible."""

import asyncio
import json
import logging
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import fakeredis
import httpx
import pytest
from pydantic import SecretStr
from redis.exceptions import ResponseError

import dropin
from events import LiveToggled, Publisher
from events.publishing.call import Call
from events.publishing.courier import Courier
from events.publishing.keys import Keys
from events.publishing.outbox import Outbox
from events.publishing.queue import Queue
from gateway.client import Gateway
from gateway.errors import CommandRefused, EventRefused, InvalidSetting
from gateway.settings import Settings
from operations.commands.reconcile import RedisLookup
from operations.failed.edits import Edits
from operations.failed.job import read as read_failure
from operations.failed.reason import Reason
from tests.fuzz import canaries
from tests.make import persist
from worker.apart import Store
from worker.decode import read

PHONE, KEY = "+2250759483726", canaries.SECRET
TOGGLE = LiveToggled(company_id="shop", enabled=True)


def test_a_count_of_thousands_of_digits_is_none() -> None:
    """A count of thousands of digits, which Python refuses to convert, does not end the list of failures."""
    fields = [b"", None, b"9" * 5_000, b"9" * 5_000]
    detail = read_failure("id", b"hash", fields, [])
    assert (detail.deaths, detail.failure.failures) == (0, 1)


@pytest.mark.parametrize("line", [KEY, f"{KEY}: was used", "_22507594837261: x"])
def test_a_key_in_the_place_of_an_exceptions_name_is_masked(line: str) -> None:
    """A secret key in the place of an exception's name is masked."""
    told = str(Reason.of(line))
    assert "7QXSECRET" not in told
    assert "7594837" not in told


LABEL, GROUP = '["shop", "live_toggled"]', {"reason": "r", "since": "2026-11-20T08:00:00+00:00", "plain": {}}


@pytest.mark.parametrize(
    ("label", "group"),
    [
        ('[["shop"], "live_toggled"]', GROUP),
        ('[5, "live_toggled"]', GROUP),
        ('["shop", null]', GROUP),
        ('["shop", "07 59 48 37 26"]', GROUP),
        ('["shop","live_toggled"]', GROUP),
        ("[" * 100_000, GROUP),
        (LABEL, {**GROUP, "reason": [1]}),
        (LABEL, {**GROUP, "plain": None}),
        (LABEL, {**GROUP, "since": "yesterday"}),
    ],
)
def test_an_entry_that_no_worker_wrote_waits_apart_for_nobody(label: str, group: dict[str, Any]) -> None:
    """An invalid entry in the hash of kinds is ignored; it ended the worker at its start."""
    server = fakeredis.FakeRedis()
    good = '["other", "live_toggled"]'
    server.hset("botlive:apart:botlive", mapping={label: json.dumps(group), good: json.dumps(GROUP)})
    assert [*Store(server, "botlive").groups()] == [("other", "live_toggled")]


def gateway(answer: httpx.Response) -> Gateway:
    """Return a gateway that always gets this response."""
    settings = Settings(supabase_url="http://supabase", supabase_key=SecretStr("key"))
    return Gateway.connect(settings, transport=httpx.MockTransport(lambda _: answer))


FOREIGN = f"call {PHONE}\nor \x1b[31m{KEY}" + "x" * 5_000


@pytest.mark.parametrize("kind", ["refused", "apart"])
def test_an_outcomes_reason_is_one_clean_line(kind: str) -> None:
    """A reason from the database becomes one line without control codes."""
    answer = httpx.Response(200, json=[{"outcome": kind, "reason": FOREIGN}])
    [outcome] = persist(gateway(answer), [TOGGLE])
    _clean(outcome.reason)
    [reason] = gateway(httpx.Response(200, json=[FOREIGN])).admits([{}])
    _clean(reason or "")


def test_a_message_under_our_own_code_is_one_clean_line() -> None:
    """A message with our own error code, which any server can send, becomes one clean line."""
    with pytest.raises(CommandRefused) as caught:
        gateway(httpx.Response(301, json={"code": "BL001", "message": FOREIGN})).call("f", {})
    _clean(str(caught.value))


def _clean(said: str) -> None:
    assert said.isprintable()
    assert 0 < len(said) <= 1_000
    assert "59483726" not in said
    assert "7QXSECRET" not in said


@pytest.mark.parametrize(
    "url", ["http://1\\.0", "http://a|b", "http://a:b:c", "https://u:p@h@x", "http://[::1"]
)
def test_an_address_that_no_client_takes_is_a_setting(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    """An address that the client rejects is reported as an invalid setting."""
    monkeypatch.setenv("SUPABASE_URL", url)
    monkeypatch.setenv("SUPABASE_KEY", KEY)
    with pytest.raises(InvalidSetting, match="SUPABASE_URL"):
        Settings.from_env()


class Taking(Queue):
    """A queue that accepts everything."""

    def __init__(self) -> None:
        self.calls: list[Call] = []

    def put(self, calls: Any) -> None:
        """Store the calls in memory."""
        self.calls += calls


ROWS = [
    ("no UUID", "text", "digest", PHONE),
    (b"\xff", b"\xff\0", b"\xff", b"\xff"),
    (5, 5, 5, 5),
    (2.5, "{}", "0" * 16, "order_completed"),
]


def test_a_row_that_no_publisher_wrote_holds_up_none_behind_it(tmp_path: Path) -> None:
    """A foreign row in the outbox is sent once, and a worker refuses it; the rows after it are sent."""
    outbox, queue = Outbox(tmp_path / "outbox.db"), Taking()
    outbox.add([[]])
    with closing(sqlite3.connect(outbox.path)) as file:
        insert = "insert into waiting (event_id, data, digest, description) values (?, ?, ?, ?)"
        file.executemany(insert, ROWS)
        file.commit()
    outbox.add([[Call.of(TOGGLE)]])
    before = outbox.oldest(10)
    Courier(outbox, queue).drain()
    assert [call for _, call in before] == queue.calls
    *foreign, good = queue.calls
    assert good == Call.of(TOGGLE)
    assert len({call.own_id for call in foreign}) == len(ROWS)
    for call in foreign:
        assert call.description in {"event", "order_completed"}
        assert len(call.fingerprint) == 16
        with pytest.raises(EventRefused):
            read(call.data.encode())
    assert len(outbox) == 0


class Recording(Publisher):
    """A publisher that records events."""

    def __init__(self) -> None:
        self.calls: list[Call] = []

    async def apublish(self, event: Any) -> UUID:
        """Record the event."""
        self.calls.append(Call.of(event))
        return self.calls[-1].event_id

    async def apublish_unchecked(
        self, event_type: str, payload: Any, *, event_id: UUID | None = None
    ) -> UUID:
        """Record the event."""
        self.calls.append(Call.unchecked(event_id, event_type, payload))
        return self.calls[-1].event_id


LINES = [{"name": "x", "quantity": 1, "price": 5}]


@pytest.fixture
def published() -> Iterator[list[Call]]:
    """Return what the drop-in publishes for this call."""
    publisher = Recording()
    dropin.use(publisher)
    yield publisher.calls
    dropin.use(None)


_wrongly: Any = dropin  # called as no type checker would let it be


@pytest.mark.parametrize(
    "call",
    [
        lambda: _wrongly.log_payment_validated("shop", "u", 5, "", type=[{}]),
        lambda: _wrongly.log_payment_validated("shop", "u", 5, "", event_id=str(uuid4())),
        lambda: _wrongly.log_payment_validated("shop", "u", 5, datetime(2026, 1, 1)),
        lambda: _wrongly.log_payment_validated("shop", "u", 5, uuid4()),
        lambda: _wrongly.create_order("shop", "u", total_amount=5, items=LINES),
    ],
    ids=["type", "event_id", "time", "id", "missing"],
)
def test_what_was_answered_as_refused_is_refused(published: list[Call], call: Any) -> None:
    """The worker refuses a call that the drop-in answered as refused; it was persisted."""
    assert not asyncio.run(call())
    [made] = published
    with pytest.raises(EventRefused):
        read(made.data.encode())


def test_a_conversation_and_a_time_are_kept_of_what_fits_no_contract() -> None:
    """A conversation id and a time survive in an event that does not fit its contract."""
    conversation, instant = uuid4(), datetime.fromisoformat("2026-11-20T08:00:00+00:00")
    payload = {"conversation_id": conversation, "occurred_at": instant, "amount": {"at": instant}}
    [_, _, [kept], _] = json.loads(Call.unchecked(None, "payment_validated", payload).data)
    assert kept["conversation_id"] == str(conversation)
    assert kept["occurred_at"] == str(instant)
    assert kept["amount"]["at"].keys() == {"not JSON"}


@pytest.mark.parametrize("name", [PHONE, KEY, f"https://u:{KEY}@host/"])
@pytest.mark.usefixtures("published")
def test_an_arguments_name_that_looks_like_none_is_not_logged(
    caplog: pytest.LogCaptureFixture, name: str
) -> None:
    """The name of an argument is not logged if it does not look like a name."""
    asyncio.run(_wrongly.log_payment_validated("shop", "u", 5, "", **{name: 1}))
    assert caplog.at_level(logging.ERROR)
    assert "is called with wrong arguments" in caplog.text
    assert name not in caplog.text


def test_malformed_notes_do_not_end_the_list() -> None:
    """Invalid notes do not break `failures show`."""
    server = fakeredis.FakeRedis()
    good: dict[Any, Any] = {"id": "one", "at": "2026", "fields": '["amount"]', "before": "{}"}
    changes: list[dict[Any, Any]] = [
        {"fields": "["},
        {"fields": "[5]"},
        {"fields": "5"},
        {"before": b"\xff"},
        {"at": b"\xff"},
    ]
    for fields in changes:
        server.xadd("botlive:edited:botlive", {**good, **fields})
    server.xadd("botlive:edited:botlive", {"id": "one"})
    server.xadd("botlive:edited:botlive", good)
    *malformed, last = Edits(server, "botlive").notes("one")
    assert len(malformed) == 6
    assert last.fields == ["amount"]


def test_reconcile_passes_over_keys_of_another_type() -> None:
    """A key of the wrong type does not end `reconcile`."""
    server = fakeredis.FakeRedis()
    call = Call.of(TOGGLE)
    server.set(f"rq:job:{call.own_id}", "x")
    server.set(f"rq:results:{call.own_id}", "x")
    server.zadd("rq:failed:botlive", {call.own_id: 5})
    with pytest.raises(ResponseError):
        server.hget(f"rq:job:{call.own_id}", "digest")
    [found] = RedisLookup(server, Keys("botlive")).find([call])
    assert found.reason == "its reason was not kept: replay it; if it fails again, its reason is recorded"
