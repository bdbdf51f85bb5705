"""What a user of another queue writes: one event, one RPC, by a client that is kept alive.

The parsing, the rows and the RPC are ours, so that only the queue differs.
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

# httpx makes one for each client, 20 ms; one for all is what its documentation advises.
_tls = ssl.create_default_context()


class _Kept(threading.local):
    """A client for each thread: none waits for another's connection.

    Made with the first look at it, and so before a fork where that is a parent's. It is not connected
    then, and what is not connected can be forked.
    """

    def __init__(self) -> None:
        transport = httpx.HTTPTransport(verify=_tls)
        self.gateway = Gateway.connect(Settings.from_env(), transport=transport)


_kept = _Kept()


def persist(text: str) -> None:
    """Persist one event, of its JSON."""
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
    """As ``persist``, on an event loop; one client for all its tasks."""
    event = parse_event(text)
    call = _client().rpc(PERSIST, {"events": [element(event)]})
    answer: Any = await call.execute()
    assert answer.data[0]["outcome"] == "persisted", "an event was not persisted"
