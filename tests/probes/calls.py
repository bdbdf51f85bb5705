"""Requests that call functions, and that look for what the API does not show."""

import random
from collections.abc import Callable
from functools import partial
from typing import Any
from urllib.parse import quote
from uuid import UUID

from events import LiveToggled, PaymentValidated
from tests.contract.conftest import Target
from tests.probes.facts import Facts
from tests.probes.request import Request
from worker.elements import element

_FUNCTIONS = """
select p.proname as name, p.provolatile <> 'v' as reads,
  coalesce((
    select json_object_agg(a.name, format_type(a.type, null))
    from unnest(p.proargnames, p.proargtypes::oid[]) as a (name, type) where a.type is not null
  ), '{}') as arguments
from pg_proc p
where p.pronamespace = 'public'::regnamespace and p.proname like 'botlive\\_%' and p.prokind = 'f'
  and p.prorettype <> 'trigger'::regtype
order by 1
"""
_TABLES = "inbox toggles migrations replaced_policies known_tables arrival botlive.inbox pg_class pg_authid"
_ROUTINES = (
    "map_company keep_mapping keep_facts make_company write_events give_company bring_up complete_mapping "
    "attempt set_config pg_read_file pg_sleep current_setting"
)
_HIDDEN = [*_TABLES.split(), *(f"rpc/{name}" for name in _ROUTINES.split())]
_SCHEMAS = ("botlive", "auth", "pg_catalog", "information_schema", "extensions", "pg_temp")


class Calls:
    """The functions of ours that the API shows."""

    def __init__(self, target: Target) -> None:
        self._functions = target.database.execute(_FUNCTIONS.encode()).fetchall()

    def every(self) -> list[Callable[[random.Random, Facts], Request]]:
        """A call of each."""
        return [partial(self._about, function) for function in self._functions]

    def call(self, chance: random.Random, facts: Facts) -> Request:
        """Return a call of one of the functions, about the shop."""
        return self._about(chance.choice(self._functions), chance, facts)

    def _about(self, function: dict[str, Any], chance: random.Random, facts: Facts) -> Request:
        arguments = {
            name: _value(chance, facts, function["name"], name, form)
            for name, form in sorted(function["arguments"].items())
        }
        path = f"/rpc/{function['name']}"
        if function["reads"] and chance.random() < 0.5:
            method = chance.choice(["GET", "HEAD"])
            written = {name: _written(value) for name, value in arguments.items() if value is not None}
            # Without a count, PostgreSQL skips the function at a HEAD, because nothing reads its result.
            headers = {"Prefer": "count=exact"} if method == "HEAD" else {}
            return Request(
                method, path, tuple(written.items()), headers=headers, control="worker", shows=False
            )
        headers = chance.choice([{}, {"Prefer": "tx=rollback"}, {"Prefer": "return=representation"}])
        return Request(
            "POST", path, (), arguments, headers, "worker", writes=not function["reads"], shows=False
        )

    def hidden(self, chance: random.Random, facts: Facts) -> Request:
        """Return a request for what is in no schema of the API, by its name or by its schema."""
        body = {"company_id": facts.shop.company_id}
        if chance.random() < 0.5:
            path, headers = f"/{quote(chance.choice(_HIDDEN))}", {}
        else:
            schema = chance.choice(_SCHEMAS)
            path = chance.choice(["/inbox", "/orders", "/users", "/rpc/botlive_company_list", "/companies"])
            headers = {"Accept-Profile": schema, "Content-Profile": schema}
        if "rpc/" in path:
            return Request("POST", path, (), {}, headers, hidden=True)
        method = chance.choice(["GET", "GET", "POST", "PATCH", "DELETE"])
        params = () if method in {"GET", "POST"} else (("company_id", f"eq.{facts.shop.company_id}"),)
        return Request(
            method, path, params, body if method in {"POST", "PATCH"} else None, headers, hidden=True
        )


def _value(chance: random.Random, facts: Facts, function: str, name: str, form: str) -> Any:
    shop = facts.shop
    named = {
        "text_id": shop.company_id,
        "shop": str(shop.uuid),
        "owner": facts.stranger if "force" in function else str(shop.owner),
        "shop_name": "Called",
        "events": [element(_event(chance, shop.company_id))],
        "plain_events": [],
        "event_ids": [str(facts.rows["orders"]["id"])],
        "wanted_status": chance.choice(["pending", None]),
    }
    if name in named:
        return named[name]
    fitting = {"integer": 5, "boolean": False, "text": shop.company_id, "uuid": str(shop.uuid), "jsonb": {}}
    return fitting.get(form)


def _event(chance: random.Random, company_id: str) -> LiveToggled | PaymentValidated:
    event_id = UUID(int=chance.getrandbits(128), version=4)
    if chance.random() < 0.5:
        return LiveToggled(company_id=company_id, enabled=chance.random() < 0.5, event_id=event_id)
    return PaymentValidated(
        company_id=company_id, user_id="+2250700000000", amount=2000, reference="", event_id=event_id
    )


def _written(value: Any) -> str:
    if isinstance(value, list):
        return "{" + ",".join(map(str, value)) + "}"
    return str(value)
