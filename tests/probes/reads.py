"""Requests that read: tables and views, with every filter, selection, order, count and embedding."""

import random
from collections.abc import Callable
from functools import partial

from tests.probes.facts import KEYS, Facts
from tests.probes.request import Pairs, Request, by_key, condition, conditions, order, selection

_OBJECT = {"Accept": "application/vnd.pgrst.object+json"}
_EMBEDDED = ("orders", "activities", "bot_sessions", "company_mapping")


def _table(chance: random.Random, facts: Facts) -> tuple[str, bool]:
    table = chance.choice(sorted(facts.types))
    return table, chance.random() < 0.6


def _owned(table: str) -> dict[str, str]:
    """A view of the project's may show its owner nothing: the worker then sees what there is."""
    return {"control": "owner" if table in KEYS else "worker"}


def every(facts: Facts) -> list[Callable[[random.Random, Facts], Request]]:
    """Return the requests for all rows of the shop, one for each table or view."""
    return [partial(_whole, table) for table in sorted(facts.types)]


def _whole(table: str, chance: random.Random, facts: Facts) -> Request:
    return Request("GET", f"/{table}", (by_key(facts, table),), **_owned(table))  # type: ignore[arg-type]


def read(chance: random.Random, facts: Facts) -> Request:
    """Rows, or their count alone."""
    table, aimed = _table(chance, facts)
    params = [
        *selection(chance, facts, table, aimed=aimed),
        *conditions(chance, facts, table, aimed=aimed),
        *order(chance, facts, table),
        *chance.choice([[], [("limit", "50")], [("limit", "50"), ("offset", "0")]]),
    ]
    headers = chance.choice([{}, {"Prefer": "count=exact"}, {"Prefer": "count=exact, tx=rollback"}])
    method = chance.choice(["GET", "GET", "GET", "HEAD"])
    if method == "HEAD":
        headers = {"Prefer": "count=exact"}
        params = [by_key(facts, table), *params]
        return Request(method, f"/{table}", tuple(params), headers=headers, **_owned(table))  # type: ignore[arg-type]
    return Request(method, f"/{table}", tuple(params), headers=headers, aimed=aimed, **_owned(table))  # type: ignore[arg-type]


def single(chance: random.Random, facts: Facts) -> Request:
    """Return a request for one row as an object."""
    table = chance.choice([table for table in sorted(facts.types) if table in KEYS])
    row = facts.rows[table]
    named = ("id", f"eq.{row['id']}") if "id" in row else by_key(facts, table)
    params = (*selection(chance, facts, table, aimed=True), named)
    return Request("GET", f"/{table}", params, headers=_OBJECT)


def path(chance: random.Random, facts: Facts) -> Request:
    """Return a request with a path into the JSON of the rows."""
    event = facts.rows["activities"]["metadata"]["event_id"]
    params: Pairs = [("metadata->>event_id", f"eq.{event}")]
    params += chance.choice([[], [("select", "metadata->event_id")], [("select", "u:metadata->>user_id,id")]])
    params += chance.choice([[], [("order", "metadata->>event_id.desc")]])
    return Request("GET", "/activities", tuple(params))


def planned(chance: random.Random, facts: Facts) -> Request:
    """A count that the planner estimates."""
    table, _ = _table(chance, facts)
    headers = {"Prefer": chance.choice(["count=planned", "count=estimated"])}
    return Request("GET", f"/{table}", (by_key(facts, table),), headers=headers, **_owned(table))  # type: ignore[arg-type]


def logic(chance: random.Random, facts: Facts) -> Request:
    """Trees of and, or and not."""
    table, _ = _table(chance, facts)
    true = ".".join(condition(chance, facts, table))
    key, value = by_key(facts, table)
    own, other = f"{key}.{value}", f"{key}.not.{value}"
    words = {
        "or": f"({own},{own})",
        "and": f"({own},or({own},{own}))",
        "not.or": f"(not.and({own},{own}),{other})",
        "not.and": f"(not.or({own},{own}),{other})",
    }
    name = chance.choice(sorted(words))
    more = [("or", f"({true},{own})")] if "(" not in true and '"' not in true else []
    extra = chance.choice([[], more])
    params = (by_key(facts, table), (name, words[name]), *extra)
    return Request("GET", f"/{table}", params, **_owned(table))  # type: ignore[arg-type]


def search(chance: random.Random, facts: Facts) -> Request:
    """Full text search."""
    word = facts.rows["orders"]["customer_name"].split()[0]
    operator = chance.choice(["fts", "plfts", "phfts", "wfts"]) + chance.choice(["", "(french)"])
    params = (by_key(facts, "orders"), ("customer_name", f"{operator}.{word}"))
    return Request("GET", "/orders", params)


def ranged(chance: random.Random, facts: Facts) -> Request:
    """Return a request for some of the rows, by a header."""
    table, _ = _table(chance, facts)
    headers = {"Range-Unit": "items", "Range": "0-9", "Prefer": chance.choice(["count=none", "count=exact"])}
    return Request("GET", f"/{table}", (by_key(facts, table),), headers=headers, **_owned(table))  # type: ignore[arg-type]


def embed(chance: random.Random, facts: Facts) -> Request:
    """Rows with those that they belong to, or that belong to them."""
    child = chance.choice(_EMBEDDED)
    key = facts.key(child)
    inner, alias = chance.choice(["", "!inner", "!left"]), chance.choice(["", "x:"])
    down = Request(
        "GET",
        "/companies",
        (("select", f"id,{alias}{child}{inner}(*)"), ("id", f"eq.{facts.names['companies']}")),
    )
    up = Request("GET", f"/{child}", (("select", f"{key},{alias}companies{inner}(*)"), by_key(facts, child)))
    spread = Request("GET", f"/{child}", (("select", f"{key},...companies(name)"), by_key(facts, child)))
    reached = Request(
        "GET",
        f"/{child}",
        (("select", f"{key},companies!inner(id)"), ("companies.id", f"eq.{facts.names['companies']}")),
    )
    return chance.choice([down, up, spread, reached])


def aggregate(chance: random.Random, facts: Facts) -> Request:
    """Sums and counts over the rows that a filter leaves; grouped, so that no rows give no sum."""
    what = chance.choice(["total_amount.sum()", "count()", "total_amount.max()", "n:total_amount.avg()"])
    return Request("GET", "/orders", (("select", f"company_id,{what}"), by_key(facts, "orders")))
