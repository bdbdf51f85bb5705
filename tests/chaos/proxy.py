"""The path from the workers to the gateway, which can be made faulty: an HTTP proxy.

It takes one call per connection. A call is forwarded whole, and its answer is read to the end before a
byte of it goes back, so that "after the write" is exact.
"""

import asyncio
import json
import re
import threading
from collections import Counter, deque
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

_LENGTH = re.compile(rb"(?i)\r\ncontent-length: *(\d+)")
_KEEP_ALIVE = re.compile(rb"(?i)\r\nconnection: *keep-alive")
_PERSIST = b"/rpc/botlive_persist"
_LONE_HITS = 2  # faults that may pick one event alone, while probes pass: a fourth in a row is its own


@dataclass(frozen=True, slots=True)
class Call:
    """One request of a worker."""

    head: bytes
    body: bytes
    event_ids: Sequence[str]
    """Of the events that it carries; none for a probe."""
    gateway: tuple[str, int]
    writer: asyncio.StreamWriter

    @property
    def alone(self) -> Sequence[str]:
        """The id of its event, if it carries only one."""
        return self.event_ids if len(self.event_ids) == 1 else ()

    async def forward(self) -> bytes:
        """Have the gateway do it; the whole answer, or nothing where it gave none."""
        try:
            reader, writer = await asyncio.open_connection(*self.gateway)
        except OSError:
            return b""
        try:
            writer.write(_KEEP_ALIVE.sub(b"\r\nConnection: close", self.head) + self.body)
            return await reader.read()
        except OSError:
            return b""
        finally:
            writer.close()

    async def answer(self, data: bytes) -> None:
        """Give that back."""
        with suppress(OSError):
            self.writer.write(data)
            await self.writer.drain()


Act = Callable[[Call, Callable[[], None]], Awaitable[None]]
"""Does something to a call, and says when the fault has landed; without that it needs another call."""


@dataclass(eq=False, slots=True)
class Rule:
    """A fault that waits for the call that it shall hit."""

    act: Act
    seconds: float = 0.0
    """How long it hits every call from then on."""
    event_ids: Sequence[str] = ()
    """Of the call that it hit."""
    landed: threading.Event = field(default_factory=threading.Event)


class Proxy:
    """Listens on a free port of the loopback, in its own thread."""

    def __init__(self, gateway: tuple[str, int]) -> None:
        self._gateway = gateway
        self._armed: deque[Rule] = deque()
        self._lasting: Rule | None = None
        self._until = 0.0
        self._lone: Counter[str] = Counter()
        self._serving: set[asyncio.Task[None] | None] = set()  # else what hangs is collected as garbage
        self._loop = asyncio.new_event_loop()
        self._server = self._loop.run_until_complete(asyncio.start_server(self._serve, "127.0.0.1", 0))
        self._thread = threading.Thread(target=self._loop.run_forever, name="proxy", daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        """The value for ``SUPABASE_URL``."""
        return f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    def arm(self, act: Act, seconds: float = 0.0) -> Rule:
        """Let that happen to the next call with events."""
        rule = Rule(act, seconds)
        self._armed.append(rule)
        return rule

    def close(self) -> None:
        """Accept no more calls, and drop those that hang."""
        asyncio.run_coroutine_threadsafe(self._end(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _end(self) -> None:
        self._server.close()
        hanging = asyncio.all_tasks() - {asyncio.current_task()}
        for task in hanging:
            task.cancel()
        await asyncio.gather(*hanging, return_exceptions=True)
        await self._loop.shutdown_default_executor()
        await asyncio.sleep(0.05)  # transports that were closed end in the loop's next turns

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        self._serving.add(task)
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            length = _LENGTH.search(head)
            body = await reader.readexactly(int(length[1])) if length else b""
            await self._treat(Call(head, body, _event_ids(head, body), self._gateway, writer))
        except (asyncio.IncompleteReadError, OSError):
            pass  # the worker is gone: nobody waits for an answer
        finally:
            self._serving.discard(task)
            writer.close()

    async def _treat(self, call: Call) -> None:
        if self._lasting and self._loop.time() < self._until:
            await self._lasting.act(call, _nothing)
        elif self._armed and call.event_ids and not self._is_spared(call):
            self._lone.update(call.alone)
            await self._hit(self._armed.popleft(), call)
        else:
            await call.answer(await call.forward())

    def _is_spared(self, call: Call) -> bool:
        """Whether one event alone has been picked often enough: in the end the blame would be put on it."""
        return any(self._lone[event_id] >= _LONE_HITS for event_id in call.alone)

    async def _hit(self, rule: Rule, call: Call) -> None:
        def land() -> None:
            rule.event_ids = call.event_ids
            rule.landed.set()
            self._lasting, self._until = rule, self._loop.time() + rule.seconds

        await rule.act(call, land)
        if not rule.landed.is_set():
            self._armed.appendleft(rule)


def _nothing() -> None:
    pass


def _event_ids(head: bytes, body: bytes) -> list[str]:
    if _PERSIST not in head.partition(b"\r\n")[0]:
        return []
    return [event["event_id"] for event in json.loads(body)["events"]]
