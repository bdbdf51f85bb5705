"""HTTP requests to the router in the application of a host."""

from collections.abc import Iterable, MutableMapping, Sequence
from contextlib import ExitStack
from typing import Any, NamedTuple
from unittest.mock import patch
from urllib.parse import quote_from_bytes, unquote_to_bytes
from uuid import UUID

import httpx
from fastapi import FastAPI, Request

from dashboard import Reader
from dashboard.api import router
from events import Event, Publisher
from events.publishing.call import Call
from tests.fuzz import documents
from tests.fuzz.canaries import PHONE, SECRET, VALUE
from tests.fuzz.capture import capture
from tests.fuzz.dice import Dice
from tests.fuzz.loop import Loop
from tests.fuzz.target import Target, no_canary
from worker.decode import read

_METHODS = ("POST", "POST", "GET", "GET", "PUT", "HEAD", "OPTIONS", "DELETE", "\xff")
_PATHS = ("/toggle-live-mode", "/botlive/activity/", "/botlive/orders/active/")
_STATUSES = {200, 307, 400, 404, 405, 422, 503}
_TYPES = (
    b"application/json",
    b"text/plain",
    b"multipart/form-data; boundary=x",
    b"application/x-www-form-urlencoded",
    b"",
    b"\xff",
    b"application/json; charset=utf-16",
)


class Sent(NamedTuple):
    """A request, and the answer of Supabase."""

    method: str
    path: bytes
    query: bytes
    headers: Sequence[tuple[bytes, bytes]]
    body: Sequence[bytes]
    rows: bytes


class Recording(Publisher):
    """Records the calls instead of sending them to Redis."""

    def __init__(self) -> None:
        self.calls: list[Call] = []

    async def apublish(self, event: Event) -> UUID:
        """Record the call."""
        self.calls.append(Call.of(event))
        return event.event_id


async def everyone(request: Request, company_id: str = "") -> bool:
    """Allow every request."""
    return True


class Bodies(Target):
    """The status is documented, and an error is a problem document without any value of the request."""

    name, share = "bodies", 50
    outcomes = frozenset({"200", "404", "405", "422", "503"})

    def open(self, stack: ExitStack) -> None:
        """Create the application as a host does."""
        self._loop = stack.enter_context(Loop())
        self._publisher = Recording()
        transport = httpx.MockTransport(lambda _: httpx.Response(200, content=self._rows))
        self._reader = Reader("http://supabase", f"{SECRET}-key", transport=transport)
        self._app = FastAPI()
        self._app.include_router(router(authorize=everyone, publisher=self._publisher))

    def enter(self, stack: ExitStack) -> None:
        """Let Supabase answer what the case says."""
        stack.enter_context(patch.object(Reader, "from_env", lambda: self._reader))

    def make(self, dice: Dice) -> Sent:
        """Create a request."""
        path = dice.choice(_PATHS).encode()
        if not path.startswith(b"/toggle") or dice.chance(0.1):
            path += dice.choice((b"shop", b"shop", quote_from_bytes(_bytes(dice)).encode(), _bytes(dice)))
        query = b"&".join(
            b"%b=%b"
            % (dice.choice((b"limit", b"company_id", _bytes(dice))), dice.choice((b"5", _bytes(dice))))
            for _ in range(dice.randrange(3))
        )
        body = documents.any_bytes(
            dice, {"company_id": "shop", "enable": True, **({"key": VALUE} if dice.chance(0.3) else {})}
        )
        cut = dice.randrange(len(body) + 1)
        headers = [
            (b"content-type", dice.choice(_TYPES) if dice.chance(0.3) else _TYPES[0]),
            (b"authorization", f"Bearer {SECRET}".encode()),
        ]
        rows = documents.any_bytes(
            dice, dice.choice(([{"title": VALUE, "metadata": {"phone": PHONE}}], [], None))
        )
        method = (
            dice.choice(_METHODS) if dice.chance(0.3) else ("POST" if path.startswith(b"/toggle") else "GET")
        )
        return Sent(method, path, query, headers, (body[:cut], body[cut:]), rows)

    def check(self, case: Sent) -> Iterable[str]:
        """Send the request."""
        self._rows, self._publisher.calls, sent = case.rows, [], []
        waiting = [{"type": "http.request", "body": part, "more_body": True} for part in case.body]
        waiting += [{"type": "http.request", "body": b"", "more_body": False}]

        async def receive() -> dict[str, Any]:
            return waiting.pop(0) if waiting else {"type": "http.disconnect"}

        async def send(message: MutableMapping[str, Any]) -> None:
            sent.append(message)

        with capture() as captured:
            self._loop.run(lambda: self._app(_scope(case), receive, send))
        # The log may name a company that has no mapping row.
        no_canary(captured.all, "the log", values=VALUE.encode() not in unquote_to_bytes(case.path))
        status, headers = sent[0]["status"], dict(sent[0]["headers"])
        body = b"".join(message.get("body", b"") for message in sent[1:]).decode()
        assert status in _STATUSES, f"the status is {status}"
        if status in {400, 422, 503}:
            assert headers[b"content-type"] == b"application/problem+json"
            no_canary(body, "a problem document")
        for call in self._publisher.calls:
            read(call.data.encode())
        assert bool(self._publisher.calls) == (status == 200 and case.path.startswith(b"/toggle"))
        return [str(status)]


def _bytes(dice: Dice) -> bytes:
    return dice.text().encode("utf-8", "surrogatepass")[:3_000]


def _scope(case: Sent) -> dict[str, Any]:
    return {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": case.method,
        "scheme": "http",
        "path": unquote_to_bytes(case.path).decode("utf-8", "replace"),
        "raw_path": case.path,
        "query_string": case.query,
        "headers": case.headers,
        "client": ("127.0.0.1", 1),
        "server": ("host", 80),
        "root_path": "",
    }
