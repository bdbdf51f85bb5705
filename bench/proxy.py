"""A TCP proxy with a delay: ``python -m bench.proxy PORT TARGET_PORT MILLISECONDS``.

It adds half of the round trip in each direction to each piece of data, however much is in transit: it
adds latency and does not limit the bandwidth. Opening a connection has no delay. A real connection costs
one round trip, and TLS another, so the proxy favours contenders that reconnect.
"""

import asyncio
import sys
from collections.abc import Callable
from contextlib import suppress
from typing import cast

import uvloop


class Pipe(asyncio.Protocol):
    """One end of a connection; it forwards what it receives to the other end after the delay, in order."""

    def __init__(self, delay: float) -> None:
        self._delay = delay
        self._loop = asyncio.get_running_loop()
        self._other: asyncio.WriteTransport | None = None
        self._early: list[Callable[[asyncio.WriteTransport], None]] = []
        self.transport: asyncio.WriteTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport. asyncio and uvloop have already set TCP_NODELAY."""
        self.transport = cast("asyncio.WriteTransport", transport)  # uvloop's class does not inherit from it

    def data_received(self, data: bytes) -> None:
        """Forward the data after the delay."""
        self._later(lambda other: other.write(data))

    def connection_lost(self, exc: Exception | None) -> None:
        """Close the other end after the delay."""
        self._later(lambda other: other.close())

    def join(self, other: asyncio.WriteTransport) -> None:
        """Set the other end, and forward what was received before."""
        self._other = other
        for act in self._early:
            act(other)

    def _later(self, act: Callable[[asyncio.WriteTransport], None]) -> None:
        self._loop.call_later(self._delay, self._act, act)

    def _act(self, act: Callable[[asyncio.WriteTransport], None]) -> None:
        if self._other is None:
            self._early.append(act)
        else:
            act(self._other)


class Listener(Pipe):
    """The client's end of a connection; it opens the connection to the target."""

    def __init__(self, target: int, delay: float) -> None:
        super().__init__(delay)
        self._target = target

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Open the connection to the target."""
        super().connection_made(transport)
        self._opening = self._loop.create_task(self._open())

    async def _open(self) -> None:
        assert self.transport
        far = Pipe(self._delay)
        far.join(self.transport)
        try:
            transport, _ = await self._loop.create_connection(lambda: far, "127.0.0.1", self._target)
        except OSError:
            self.transport.close()
        else:
            self.join(cast("asyncio.WriteTransport", transport))


async def serve(port: int, target: int, round_trip: float) -> None:
    """Serve until cancelled; ``round_trip`` is in seconds."""
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Listener(target, round_trip / 2), "127.0.0.1", port)
    await server.serve_forever()


if __name__ == "__main__":
    with suppress(KeyboardInterrupt):
        uvloop.run(serve(int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3]) / 1000))
