"""A host's application with the router in it, whose Supabase and queue are the test's."""

import asyncio
import json
from typing import Any
from uuid import UUID

import httpx
from fastapi import FastAPI, Request

from dashboard import Reader
from dashboard.api import router
from events import Event, Publisher

PHONE = "+2250700000000"
PROBLEM = "application/problem+json"
CALLS = [
    ("POST", "/toggle-live-mode", {"company_id": "shop", "enable": True}),
    ("GET", "/botlive/activity/shop", None),
    ("GET", "/botlive/orders/active/shop", None),
]


class Recorder(Publisher):
    """Records what it publishes, or fails if the test says so."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.error: Exception | None = None

    async def apublish(self, event: Event) -> UUID:
        """Record the event."""
        if self.error:
            raise self.error
        self.events.append(event)
        return event.event_id


class Client:
    """Calls an application, each time in an event loop of its own. What it raises is raised."""

    def __init__(self, app: FastAPI) -> None:
        self.app = app

    def request(self, method: str, path: str, **content: Any) -> httpx.Response:
        """One call."""
        return asyncio.run(self._request(method, path, **content))

    def get(self, path: str) -> httpx.Response:
        """A GET."""
        return self.request("GET", path)

    def post(self, path: str, **content: Any) -> httpx.Response:
        """A POST."""
        return self.request("POST", path, **content)

    async def _request(self, method: str, path: str, **content: Any) -> httpx.Response:
        transport = httpx.ASGITransport(self.app)
        async with httpx.AsyncClient(transport=transport, base_url="http://host") as client:
            return await client.request(method, path, **content)


class Host:
    """A host's application with the router, and what stands behind it."""

    def __init__(self) -> None:
        self.publisher = Recorder()
        self.answer = httpx.Response(200, json=[])
        self.asked: list[dict[str, Any]] = []
        self.error: Exception | None = None

    @property
    def used(self) -> list[str]:
        """The companies that were read or switched."""
        return [event.company_id for event in self.publisher.events] + [
            asked["text_id"] for asked in self.asked
        ]

    def client(self, **arguments: Any) -> Client:
        """A client of an application that mounts the router so."""
        app = FastAPI()
        app.include_router(router(**{"publisher": self.publisher, "authorize": allow, **arguments}))
        return Client(app)

    def reader(self) -> Reader:
        """Supabase as this host finds it."""
        return Reader("http://supabase", "key", transport=httpx.MockTransport(self._supabase))

    def _supabase(self, request: httpx.Request) -> httpx.Response:
        if self.error:
            raise self.error
        self.asked.append(json.loads(request.content))
        return self.answer


async def allow(request: Request, company_id: str) -> bool:
    """Everyone may call."""
    return True


def call(client: Client, method: str, path: str, body: Any = None) -> httpx.Response:
    """One call."""
    return client.request(method, path, json=body)


def problem(response: httpx.Response, status: int) -> dict[str, Any]:
    """The problem document that it is."""
    assert (response.status_code, response.headers["content-type"]) == (status, PROBLEM), response.text
    document: dict[str, Any] = response.json()
    assert document["status"] == status
    assert document["title"]
    return document
