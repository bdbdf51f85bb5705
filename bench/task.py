"""The task of the other queues: one event, one RPC, on an open connection.

It uses our parsing, our rows and our RPC, so that only the queue differs.
"""

import ssl
import threading
from functools import cache
from typing import Any

import httpx
from supabase import AsyncClient, AsyncClientOptions

from events import parse_event
from gateway.client import PERSIST, Gateway
from gateway.settings import Settings
from worker.elements import element

# httpx creates one for each client, in 20 ms; its documentation advises to share one.
_tls = ssl.create_default_context()


class _Kept(threading.local):
    """A client for each thread, so that no thread waits for another's connection.

    It is created at the first access. If this happens in a parent process before a fork, the client has no
    connection yet, so the fork is safe.
    """

    def __init__(self) -> None:
        transport = httpx.HTTPTransport(verify=_tls)
        self.gateway = Gateway.connect(Settings.from_env(), transport=transport)


_kept = _Kept()


def persist(text: str) -> None:
    """Persist one event, given as JSON."""
    event = parse_event(text)
    (outcome,) = _kept.gateway.persist([element(event)])
    if error := outcome.error(event):
        raise error


@cache
def _client() -> AsyncClient:
    settings = Settings.from_env()
    options = AsyncClientOptions(
        httpx_client=httpx.AsyncClient(verify=_tls, timeout=settings.timeout),
        auto_refresh_token=False,
        persist_session=False,
        postgrest_client_retry=False,
    )
    return AsyncClient(settings.supabase_url, settings.supabase_key.get_secret_value(), options)


async def apersist(text: str) -> None:
    """Do the same on an event loop; all tasks share one client."""
    event = parse_event(text)
    call = _client().rpc(PERSIST, {"events": [element(event)]})
    answer: Any = await call.execute()
    assert answer.data[0]["outcome"] == "persisted", "an event was not persisted"
