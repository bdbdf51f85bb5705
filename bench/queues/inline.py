"""No queue: the first integration, four HTTP calls from the chat, each with a new client.

There, an order called ``create_order`` and ``log_order_created``; each one first read the company's UUID.
"""

import os
from typing import Any

import httpx

from events import AnyEvent
from handlers import rows

_URL = f"{os.environ['SUPABASE_URL']}/rest/v1"
_HEADERS = {
    "apikey": os.environ["SUPABASE_KEY"],
    "Authorization": f"Bearer {os.environ['SUPABASE_KEY']}",
    "Prefer": "return=representation",
}


async def asend(event: AnyEvent) -> None:
    """Write one order and its activity."""
    order = rows(event).order
    assert order
    await _insert("orders", event, {**order, "status": "pending"})
    activity = {**rows(event).activity, "id": str(event.event_id)}
    await _insert("activities", event, activity)


async def _insert(table: str, event: AnyEvent, row: dict[str, Any]) -> None:
    company = await _company(event.company_id)
    async with httpx.AsyncClient() as client:
        body = {**row, "company_id": company, "id": str(event.event_id)}
        answer = await client.post(f"{_URL}/{table}", headers=_HEADERS, json=body, timeout=10.0)
        answer.raise_for_status()


async def _company(company_id: str) -> str:
    async with httpx.AsyncClient() as client:
        query = {"company_id": f"eq.{company_id}", "select": "uuid"}
        answer = await client.get(f"{_URL}/company_mapping", headers=_HEADERS, params=query, timeout=10.0)
        answer.raise_for_status()
        return str(answer.json()[0]["uuid"])
