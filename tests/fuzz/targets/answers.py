"""Answers of PostgREST, gateways, proxies and other servers to the worker and to the dashboard."""

import gzip
import zlib
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from typing import Any

import httpcore
import httpx

from dashboard.reader import Reader
from events import AnyEvent
from gateway.client import Gateway
from gateway.errors import WorkerError
from gateway.settings import Settings
from tests.fuzz.canaries import PHONE, SECRET, VALUE
from tests.fuzz.capture import capture
from tests.fuzz.dice import Dice
from tests.fuzz.loop import Loop
from tests.fuzz.replies import GOOD, Answer, answer
from tests.fuzz.target import Target, no_canary, one_line
from worker.elements import element


class _Wire(httpcore.NetworkBackend):
    """Connections that return ``data``."""

    data = b""

    def connect_tcp(self, *_: Any, **__: Any) -> httpcore.NetworkStream:
        """Return such a connection."""
        return httpcore.MockStream([self.data])


def _decompressed(body: bytes) -> bytes:
    try:
        return gzip.decompress(body)
    except (OSError, EOFError, zlib.error):
        return body


class Answers(Target):
    """The result has the expected form, or a WorkerError has one line without any quoted value."""

    name, share = "answers", 80
    outcomes = frozenset({*GOOD, *(f"{asked} fails" for asked in GOOD)})

    def open(self, stack: ExitStack) -> None:
        """Create one gateway and one reader, as in a process."""
        settings = Settings(supabase_url="http://supabase", supabase_key=f"{SECRET}-key")  # type: ignore[arg-type] # pydantic converts it
        self._gateway = Gateway.connect(settings, transport=httpx.MockTransport(self._answer))
        self._wire = _Wire()
        on_wire = httpx.HTTPTransport()
        on_wire._pool = httpcore.ConnectionPool(network_backend=self._wire, max_keepalive_connections=0)
        self._on_wire = Gateway.connect(settings, transport=on_wire)
        self._loop = stack.enter_context(Loop())
        self._reader = Reader("http://supabase", f"{SECRET}-key", transport=httpx.MockTransport(self._answer))
        stack.callback(self._loop.run, self._reader.aclose)
        stack.callback(self._gateway.close)
        stack.callback(self._on_wire.close)

    def make(self, dice: Dice) -> Answer:
        """Create an answer."""
        return answer(dice, dice.choice((*GOOD, "persist", "persist")), dice.choice((0, 1, 2, 3)))

    def check(self, case: Answer) -> Iterable[str]:
        """Let the gateway or the reader receive it."""
        self._now = case
        with capture() as captured:
            try:
                self._ask(case)
            except WorkerError as error:
                # The messages of our own SQL functions may name a value.
                is_ours = b"BL00" in _decompressed(case.body)
                is_read = case.asked in {"activities", "orders", "session"}
                one_line(str(error), "a fault", values=is_read or not is_ours)
                outcome = f"{case.asked} fails"
            else:
                outcome = case.asked
        no_canary(captured.all, "the log")
        return [outcome]

    def _ask(self, case: Answer) -> None:
        gateway = self._on_wire if case.wire is not None else self._gateway
        self._wire.data = case.wire or b""
        match case.asked:
            case "persist":
                self._persist(gateway, case.events)
            case "admits":
                reasons = gateway.admits([{}] * len(case.events))
                assert len(reasons) <= len(case.events)
                for reason in filter(None, reasons):
                    one_line(reason, "a reason", values=False)
            case "probe":
                gateway.probe()
            case "activities":
                self._shown(self._loop.run(self._reader.get_realtime_activity, "shop"))
            case "orders":
                self._shown(self._loop.run(self._reader.get_active_orders, "shop"))
            case "session":
                session = self._loop.run(self._reader.get_active_session, "shop")
                assert session is None or isinstance(session, dict)

    def _persist(self, gateway: Gateway, events: Sequence[AnyEvent]) -> None:
        outcomes = gateway.persist([element(event) for event in events])
        assert len(outcomes) == len(events), "not every event has an outcome"
        for event, outcome in zip(events, outcomes, strict=True):
            if error := outcome.error(event):
                one_line(str(error) or "-", "a reason", values=False)

    def _shown(self, shapes: Sequence[Any]) -> None:
        for shape in shapes:
            for name, value in shape.items():
                assert isinstance(value, int if name == "completion_rate" else str), (
                    f"{name} has another type"
                )
                str(value).encode("utf-8", "surrogatepass")

    def _answer(self, request: httpx.Request) -> httpx.Response:
        case = self._now
        if case.error:
            raise case.error(f"{VALUE} {PHONE} {SECRET}")
        return httpx.Response(case.status, headers=case.headers, stream=httpx.ByteStream(case.body))
