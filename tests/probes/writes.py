"""Requests that change: rows of the shops' tables, and calls of functions."""

import random
from typing import Any
from uuid import UUID

from tests.probes.facts import Facts
from tests.probes.request import Pairs, Request, by_key, conditions

_OWNED = ("orders", "activities", "bot_sessions")
_RETURNS = [{}, {"Prefer": "return=minimal"}, {"Prefer": "return=representation"}]
_RETURNS += [
    {"Prefer": "return=representation, count=exact"},
    {"Prefer": "tx=rollback, return=representation"},
]


def _prefer(chance: random.Random) -> dict[str, str]:
    return dict(chance.choice(_RETURNS))


def _named(chance: random.Random, facts: Facts, table: str) -> Pairs:
    return conditions(chance, facts, table, aimed=True)


def _id(chance: random.Random) -> str:
    return str(UUID(int=chance.getrandbits(128), version=4))


def patch(chance: random.Random, facts: Facts) -> Request:
    """Return a request that changes a column, which either an owner or only the worker may change."""
    name = f"Changed {chance.getrandbits(32)}"
    changes: list[tuple[str, dict[str, Any], str]] = [
        ("orders", {"status": chance.choice(["completed", "cancelled"])}, "owner"),
        ("bot_sessions", {"ended_at": "2026-11-25T10:00:00+00:00"}, "owner"),
        ("orders", {"total_amount": 1, "customer_name": name}, "worker"),
        ("orders", {"company_id": str(facts.shop.uuid)}, "worker"),
        ("activities", {"title": name}, "worker"),
        ("bot_sessions", {"mode": "rag"}, "worker"),
        ("companies", {"name": name}, "worker"),
        ("company_mapping", {"user_id": facts.stranger}, "worker"),
        ("company_mapping", {"company_id": facts.shop.company_id}, "worker"),
        ("company_rag_configs", {"user_id": facts.stranger}, "worker"),
        ("company_rag_configs", {"company_name": name}, "worker"),
    ]
    table, body, control = chance.choice(changes)
    params = tuple(_named(chance, facts, table))
    return Request("PATCH", f"/{table}", params, body, _prefer(chance), control, writes=True)  # type: ignore[arg-type]


def delete(chance: random.Random, facts: Facts) -> Request:
    """Rows."""
    table = chance.choice([*_OWNED, *_OWNED, "company_rag_configs", "company_mapping", "companies"])
    named = _named(chance, facts, table) if table in _OWNED else [by_key(facts, table)]
    return Request(
        "DELETE",
        f"/{table}",
        tuple(named),
        headers=_prefer(chance),
        control="owner" if table in _OWNED else "worker",
        writes=True,
        bare=table == "companies",
    )


def insert(chance: random.Random, facts: Facts) -> Request:
    """A row, or some, for the shop."""
    shop = str(facts.shop.uuid)
    session = {
        "company_id": shop,
        "mode": chance.choice(["live", "rag"]),
        "started_at": "2026-11-20T08:00:00Z",
    }
    rows: list[tuple[str, Any, str]] = [
        ("bot_sessions", session, "owner"),
        ("bot_sessions", [session, session], "owner"),
        ("orders", {"company_id": shop, "status": "pending", "total_amount": 1}, "worker"),
        ("orders", {"id": _id(chance), "company_id": shop}, "worker"),
        ("activities", {"company_id": shop, "type": "system", "title": "Inserted"}, "worker"),
        (
            "activities",
            [{"company_id": shop, "type": "order"}, {"company_id": shop, "type": "order"}],
            "worker",
        ),
        ("companies", {"id": _id(chance), "name": "Inserted"}, "worker"),
        ("company_mapping", {"uuid": shop, "company_id": _id(chance), "user_id": facts.stranger}, "worker"),
        ("company_rag_configs", {"company_id": facts.shop.company_id, "user_id": facts.stranger}, "worker"),
    ]
    table, body, control = chance.choice(rows)
    columns = body[0] if isinstance(body, list) else body
    params = chance.choice([(), (("columns", ",".join(columns)),)])
    bare = table in {"company_mapping", "company_rag_configs"}
    return Request("POST", f"/{table}", params, body, _prefer(chance), control, writes=True, bare=bare)  # type: ignore[arg-type]


def upsert(chance: random.Random, facts: Facts) -> Request:
    """A row in the place of one that is there, or none where one is."""
    table = chance.choice(_OWNED)
    body = {"id": facts.rows[table]["id"], "company_id": str(facts.shop.uuid)}
    how = chance.choice(["merge", "ignore"])
    headers = {"Prefer": f"resolution={how}-duplicates, return=minimal"}
    params = chance.choice([(), (("on_conflict", "id"),)])
    return Request("POST", f"/{table}", params, body, headers, "worker", writes=True)


def default(chance: random.Random, facts: Facts) -> Request:
    """A row with the defaults of what is missing."""
    body = [{"company_id": str(facts.shop.uuid)}]
    params = (("columns", "id,company_id"),)
    headers = {"Prefer": "missing=default, return=minimal"}
    return Request("POST", f"/{chance.choice(_OWNED)}", params, body, headers, "worker", writes=True)


def put(chance: random.Random, facts: Facts) -> Request:
    """A whole row in its place."""
    table = chance.choice(_OWNED)
    row = facts.rows[table]
    return Request("PUT", f"/{table}", (("id", f"eq.{row['id']}"),), row, {}, "worker", writes=True)


def options(chance: random.Random, facts: Facts) -> Request:
    """Return a request for the methods of a table; the answer has no row."""
    return Request("OPTIONS", f"/{chance.choice(sorted(facts.types))}", shows=False)
