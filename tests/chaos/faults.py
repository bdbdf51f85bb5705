"""What is done to a call between a worker and the gateway, by kind."""

import asyncio
import threading
from collections.abc import Callable
from http import HTTPStatus

from tests.chaos.proxy import Act, Call, Proxy
from tests.chaos.schedule import Fault, Kind

TIMEOUT = 2.0
"""Seconds that the workers of a run wait for an answer: short, so that a hanging call is over soon."""

_HELD = 1.5  # seconds that a call is held for a kill, at most
_HTML = b"<html><head><title>Attention</title></head><body>cf-ray</body></html>"
_Land = Callable[[], None]


def act(fault: Fault) -> Act:
    """Return the function that applies the fault to a call."""
    match fault.kind:
        case Kind.DROPPED:
            return _drop
        case Kind.HANGING:
            return _hang_before if fault.variant % 2 else _hang_after
        case Kind.HALVED:
            return _halve_honestly if fault.variant % 3 else _halve
        case Kind.SLOW:
            return _slow(fault.seconds)
    return _instead(_answer(fault))


def _answer(fault: Fault) -> bytes:
    match fault.kind:
        case Kind.UNAVAILABLE:
            return _http((500, 502, 503, 504)[fault.variant // 2 % 4], b'{"message": "upstream"}')
        case Kind.BUSY:
            wait = ("Retry-After: 1",) if fault.variant % 4 == 0 else ()
            return _http(429, b'{"message": "too many requests"}', *wait)
        case Kind.FORBIDDEN:
            return _http(403, b'{"message": "forbidden"}')
        case Kind.HTML:
            return _http((200, 403, 502, 503)[fault.variant // 2 % 4], _HTML, mime="text/html")
    raise ValueError(fault.kind)


def _instead(data: bytes) -> Act:
    """Return that answer without forwarding the call."""

    async def act(call: Call, land: _Land) -> None:
        land()
        await call.answer(data)

    return act


async def _drop(call: Call, land: _Land) -> None:
    """The call is done, and its answer lost."""
    answer = await call.forward()
    if _is_good(answer):
        land()


async def _halve(call: Call, land: _Land) -> None:
    """The call is done, and the connection breaks within the answer."""
    head, _, body = (await call.forward()).partition(b"\r\n\r\n")
    if body:
        land()
    await call.answer(head + b"\r\n\r\n" + body[: len(body) // 2])


async def _halve_honestly(call: Call, land: _Land) -> None:
    """The call is done, and half of the answer is passed off as the whole."""
    answer = await call.forward()
    body = answer.partition(b"\r\n\r\n")[2]
    if not body or not _is_good(answer):
        await call.answer(answer)
        return
    land()
    await call.answer(_http(200, body[: len(body) // 2]))


async def _hang_before(call: Call, land: _Land) -> None:
    """Neither forward nor answer the call."""
    land()
    await asyncio.sleep(TIMEOUT + 1)


async def _hang_after(call: Call, land: _Land) -> None:
    """The call is done, and no answer comes."""
    land()
    await call.forward()
    await asyncio.sleep(TIMEOUT + 1)


def _slow(seconds: float) -> Act:
    """Each way takes longer."""

    async def act(call: Call, land: _Land) -> None:
        land()
        await asyncio.sleep(seconds / 2)
        answer = await call.forward()
        await asyncio.sleep(seconds / 2)
        await call.answer(answer)

    return act


class Hold:
    """Keeps one call, before or after the gateway has done it, until its worker has been killed."""

    def __init__(self, proxy: Proxy, *, done: bool) -> None:
        self._done = done
        self._released = threading.Event()
        self._is_lost = False
        self.rule = proxy.arm(self._act)

    def release(self, *, lost: bool) -> None:
        """Let it go on its way, or be lost with its worker."""
        self._is_lost = lost
        self._released.set()

    async def _act(self, call: Call, land: _Land) -> None:
        answer = await call.forward() if self._done else b""
        if _is_good(answer) or not self._done:
            land()
            await asyncio.to_thread(self._released.wait, _HELD)
        if not self._is_lost:
            await call.answer(answer or await call.forward())


def _is_good(answer: bytes) -> bool:
    return answer.startswith(b"HTTP/1.1 20")


def _http(status: int, body: bytes, *headers: str, mime: str = "application/json") -> bytes:
    lines = [
        f"HTTP/1.1 {status} {HTTPStatus(status).phrase}",
        f"Content-Type: {mime}",
        f"Content-Length: {len(body)}",
        "Connection: close",
        *headers,
    ]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body
