"""The reads: each is one request, and every failure gives a clear error."""

import asyncio
import json
import logging
import subprocess
import sys
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import httpx
import pytest

from dashboard import Reader, get_active_orders, get_active_session, get_orders, get_realtime_activity, reads
from gateway.errors import (
    DeploymentFault,
    InvalidSetting,
    MissingSetting,
    TransientFault,
    UnclassifiedFault,
    WorkerError,
)

URL, KEY, PHONE = "https://project.supabase.co", "sb_secret_of-the-worker", "+2250700000000"
BOUND = 0.05

Answer = Callable[[httpx.Request], Any]
Read = Callable[[Reader], Awaitable[Any]]

READS: dict[str, tuple[Read, dict[str, Any]]] = {
    "botlive_read_activities": (lambda r: r.get_realtime_activity("shop", 7), {"at_most": 7}),
    "botlive_read_orders": (
        lambda r: r.get_active_orders("shop", 7),
        {"wanted_status": "pending", "at_most": 7},
    ),
    "botlive_read_session": (lambda r: r.get_active_session("shop"), {}),
}


def reader(answer: Answer) -> Reader:
    """Returns a reader whose Supabase gives this answer."""
    return Reader(URL, KEY, bound=BOUND, transport=httpx.MockTransport(answer))


def read(answer: Answer, ask: Read = READS["botlive_read_orders"][0]) -> Any:
    """Does one read from a Supabase that gives this answer."""

    async def run() -> Any:
        async with reader(answer) as reading:
            return await ask(reading)

    return asyncio.run(run())


def constantly(status: int = 200, **content: Any) -> Answer:
    """Always gives the same answer."""
    return lambda _: httpx.Response(status, **content)


@pytest.mark.parametrize("function", READS)
def test_a_read_is_one_request(function: str) -> None:
    """A read is a POST to the function with the text id and the limit, and the key in both headers."""
    ask, arguments = READS[function]
    requests: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        requests.append(request)
        return httpx.Response(200, json={"session": None} if function.endswith("session") else [])

    read(answer, ask)
    (request,) = requests
    assert (request.method, str(request.url)) == ("POST", f"{URL}/rest/v1/rpc/{function}")
    assert json.loads(request.content) == {"text_id": "shop", **arguments}
    assert request.headers["apikey"] == KEY
    assert request.headers["authorization"] == f"Bearer {KEY}"


def test_what_is_read_has_its_shape() -> None:
    """Activities and active orders have the front end's form; orders and the session are rows."""
    row = {"id": "1", "customer_name": "Awa", "title": "T", "created_at": "2020-01-01T00:00:00Z"}
    (happened,) = read(constantly(json=[row]), READS["botlive_read_activities"][0])
    assert happened["client"] == "T"
    assert happened["timestamp"].endswith("j")
    (order,) = read(constantly(json=[row]))
    assert order["user_name"] == "Awa"
    assert read(constantly(json=[row]), lambda r: r.get_orders("shop")) == [row]
    assert read(constantly(json={"session": row}), READS["botlive_read_session"][0]) == row


@pytest.mark.parametrize(("status", "sent"), [("completed", "completed"), (None, None)])
def test_orders_of_another_status(status: str | None, sent: str | None) -> None:
    """The status is passed to the function; None means any status."""
    seen: list[Any] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(json.loads(request.content)["wanted_status"])
        return httpx.Response(200, json=[])

    read(answer, lambda r: r.get_orders("shop", status, 5))
    assert seen == [sent]


@pytest.mark.parametrize("function", READS)
def test_an_unknown_company_is_nothing_and_a_log_line(
    function: str, caplog: pytest.LogCaptureFixture
) -> None:
    """An unknown company gives nothing, and one line in the dashboard's log that says what to do."""
    nothing = read(constantly(json=None, content=b"null"), READS[function][0])
    assert nothing == (None if function.endswith("session") else [])
    (record,) = [record for record in caplog.records if record.name == "botlive.dashboard"]
    assert record.levelno == logging.WARNING
    assert "'shop' is in no row of company_mapping" in record.getMessage()


def test_the_log_line_has_no_number_and_stays_one_line(caplog: pytest.LogCaptureFixture) -> None:
    """The log line is one line and hides a phone number, even if that was sent as the company."""
    read(constantly(content=b"null"), lambda r: r.get_orders(f"a\n{PHONE}"))
    assert caplog.messages[-1].count("\n") == 0
    assert "0700" not in caplog.text


def test_a_known_company_without_rows_logs_nothing(caplog: pytest.LogCaptureFixture) -> None:
    """An empty list logs nothing."""
    assert read(constantly(json=[])) == []
    assert read(constantly(json={"session": None}), READS["botlive_read_session"][0]) is None
    assert not [record for record in caplog.records if record.name == "botlive.dashboard"]


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (b'"a\\ud800b"', "a?b"),
        (b'"a\xed\xa0\x80b"', "a?b"),
        (b'"\\ud83d\\ude00"', "\U0001f600"),
        (b'"\\\\ud800"', "\\ud800"),
        (b'"\xed\x95\x9c"', "\ud55c"),
    ],
)
def test_half_a_surrogate_pair_breaks_no_answer(text: bytes, shown: str) -> None:
    """A ``json`` column may hold one, and no JSON answer of the host could carry it; whole pairs stay."""
    (row,) = read(constantly(content=b'[{"customer_name": %s}]' % text), lambda r: r.get_orders("shop"))
    assert row["customer_name"] == shown


def raising(error: Exception) -> Answer:
    """A connection that fails."""

    def answer(_: httpx.Request) -> httpx.Response:
        raise error

    return answer


async def hanging(_: httpx.Request) -> httpx.Response:
    """Never answers."""
    await asyncio.sleep(60)
    raise AssertionError


class Dripping(httpx.AsyncByteStream):
    """A body whose parts all arrive within the read timeout, but which never ends."""

    async def __aiter__(self) -> Any:
        while True:
            yield b" "
            await asyncio.sleep(BOUND / 4)


@pytest.mark.parametrize(
    ("answer", "fault"),
    [
        (raising(httpx.ConnectError(f"refused {KEY}")), TransientFault),
        (raising(httpx.ReadTimeout("slow")), TransientFault),
        (raising(httpx.RemoteProtocolError("half")), TransientFault),
        (raising(httpx.DecodingError("no gzip")), TransientFault),
        (raising(OSError(f"{PHONE}")), TransientFault),
        (hanging, TransientFault),
        (constantly(stream=Dripping()), TransientFault),
        (constantly(503, html="<h1>away</h1>"), TransientFault),
        (constantly(500, json={"code": "57014", "message": PHONE}), TransientFault),
        (constantly(503, json={"code": "PGRST002"}), TransientFault),
        (constantly(429), TransientFault),
        (constantly(401, json={"code": "PGRST301", "message": KEY}), DeploymentFault),
        (constantly(401, json={"message": "Invalid API key"}), DeploymentFault),
        (constantly(403, json={"code": "42501", "message": "denied"}), DeploymentFault),
        (constantly(404, json={"code": "PGRST202"}), DeploymentFault),
        (constantly(404, html="<h1>nothing</h1>"), UnclassifiedFault),
        (constantly(400, json={"code": "22P02", "message": PHONE}), UnclassifiedFault),
        (constantly(302, headers={"Location": "/login"}), UnclassifiedFault),
        (constantly(200, html=f"<h1>{PHONE}</h1>"), UnclassifiedFault),
        (constantly(200, content=f'[{{"customer_name": "{PHONE}"'.encode()), UnclassifiedFault),
        (constantly(200, content=b"[" * 100_000), UnclassifiedFault),
        (constantly(200, content=b"\xff\xfe\xfd"), UnclassifiedFault),
        (constantly(204), UnclassifiedFault),
        (constantly(200, json={"rows": []}), UnclassifiedFault),
        (constantly(200, json=[None]), UnclassifiedFault),
        (constantly(200, json="[]"), UnclassifiedFault),
        (constantly(200, json=0), UnclassifiedFault),
    ],
)
@pytest.mark.parametrize("function", READS)
def test_what_goes_wrong_is_an_error(function: str, answer: Answer, fault: type[WorkerError]) -> None:
    """Each failure gives a classified error, without secrets or customer data."""
    with pytest.raises(fault) as caught:
        read(answer, READS[function][0])
    assert type(caught.value) is fault
    assert caught.value.__context__ is None
    said = str(caught.value)
    assert said
    assert "\n" not in said
    assert not [secret for secret in (KEY, PHONE) if secret in said]


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("7", 7),
        ("0", 0),
        ("9" * 400, 3600),
        ("inf", None),
        ("-1", None),
        ("Fri, 20 Nov 2026 09:00:00 GMT", None),
    ],
)
def test_the_pause_that_supabase_asks_for(header: str, seconds: float | None) -> None:
    """The pause is in whole seconds, at most one hour; any other value is ignored."""
    with pytest.raises(TransientFault) as caught:
        read(constantly(503, headers={"Retry-After": header}))
    assert caught.value.retry_after == seconds


@pytest.mark.parametrize("company_id", ["", "a\0", "x" * 129, "\ud800", None, 5])
def test_what_no_company_can_be_called_is_not_asked_for(company_id: Any) -> None:
    """A wrong company id is a ``ValueError`` that does not contain the value."""
    with pytest.raises(ValueError, match="company_id must be") as caught:
        read(raising(AssertionError()), lambda r: r.get_orders(company_id))
    assert caught.value.__suppress_context__


@pytest.mark.parametrize("limit", [0, -1, 2**31])
def test_a_limit_that_cannot_be(limit: int) -> None:
    """A wrong limit is a ``ValueError``."""
    with pytest.raises(ValueError, match="limit"):
        read(raising(AssertionError()), lambda r: r.get_realtime_activity("shop", limit))


@pytest.mark.parametrize("key", ["s3cr3té", "s3cr3t\n", "s3c\0r3t"])
def test_a_key_that_no_header_can_carry(key: str) -> None:
    """A key that does not fit a header is refused; the error names its variable and does not quote it."""
    with pytest.raises(InvalidSetting, match="SUPABASE_KEY") as caught:
        Reader(URL, key)
    assert "s3c" not in str(caught.value)


def test_a_cancelled_read_is_cancelled() -> None:
    """A cancellation by the caller is not taken for a timeout."""

    async def run() -> None:
        async with reader(hanging) as reading:
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(reading.get_orders("shop"), BOUND / 4)

    asyncio.run(run())


@pytest.fixture
def supabase(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Reader]]:
    """Sets the environment of a project without companies, and collects the readers made from it."""
    made: list[Reader] = []

    def from_env() -> Reader:
        made.append(reader(constantly(content=b"null")))
        return made[-1]

    monkeypatch.setattr(Reader, "from_env", from_env)
    yield made
    assert all(one._http.is_closed for one in made)


def test_the_functions_share_one_reader_for_each_event_loop(supabase: list[Reader]) -> None:
    """All functions share one reader in an event loop. It is closed when the loop ends."""

    async def run() -> None:
        reading = (get_realtime_activity("shop"), get_active_orders("shop"), get_orders("shop"))
        assert await asyncio.gather(*reading) == [[], [], []]
        assert await get_active_session("shop") is None
        assert not supabase[-1]._http.is_closed

    asyncio.run(run())
    assert len(supabase) == 1
    asyncio.run(run())
    assert len(supabase) == 2


def test_a_forked_process_has_a_reader_of_its_own(
    supabase: list[Reader], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A forked process makes its own reader, because a shared connection would mix up the answers."""

    async def run() -> None:
        inherited = await reads._reader()
        assert await reads._reader() is inherited
        with monkeypatch.context() as child:
            child.setattr("os.getpid", lambda: -1)
            assert await reads._reader() is not inherited

    asyncio.run(run())
    del reads._readers[-1]


def test_the_environment_says_where_supabase_is(monkeypatch: pytest.MonkeyPatch) -> None:
    """A missing setting is named, by the functions too."""
    monkeypatch.delenv("SUPABASE_URL", raising=False)
    monkeypatch.setenv("SUPABASE_KEY", KEY)
    with pytest.raises(MissingSetting, match="SUPABASE_URL"):
        asyncio.run(get_orders("shop"))
    monkeypatch.setenv("SUPABASE_URL", URL + "/")

    async def base() -> str:
        async with Reader.from_env() as reading:
            return str(reading._http.base_url)

    assert asyncio.run(base()) == f"{URL}/rest/v1/rpc/"


_ELSEWHERE = """
import sys

class Absent:
    names = {"supabase", "postgrest", "structlog", "rq", "psycopg", "rich", "typer", "uvicorn", "fastapi"}

    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in self.names:
            raise ModuleNotFoundError(name)

sys.meta_path.insert(0, Absent())
import dashboard
Absent.names.remove("fastapi")
import dashboard.api
"""


@pytest.mark.slow
def test_the_extras_are_enough() -> None:
    """The extras [read] and [api] work without the packages of the worker or the stack."""
    command = [sys.executable, "-c", _ELSEWHERE]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
