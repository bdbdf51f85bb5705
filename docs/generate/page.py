"""The page ``docs/events.md``: each event with its fields, an example and its rows."""

import json
from collections.abc import Iterator
from typing import Any

from docs.generate.examples import event_name, examples
from docs.generate.meanings import meaning, summary
from docs.generate.schemas import CONTRACTS, Schema, name, newest, schema, type_of
from events import AnyEvent, Event, Item
from events.contracts import Contract
from handlers import rows

_INTRODUCTION = """\
# The events

`make contracts` generates this page from `events/contracts.py` and the handlers. Do not edit it by hand.

An event is a JSON object. The chat publishes it, and a worker writes its rows exactly once. An event with a
field that is not listed here is refused. An optional field without a value is left out. A *private* field is
personal data, or contains some: it is stored in the queue and in the tables, but never appears in a log, a
metric or an alert. Amounts are in FCFA.

For programs, [schemas/](schemas) contains a JSON Schema of each event and [an AsyncAPI
document](schemas/asyncapi.json). [types/botlive.d.ts](types/botlive.d.ts) contains TypeScript types of the
rows. [changing-an-event.md](changing-an-event.md) explains how an event may change.

Every event makes one row in `activities`. Its `id` is the `event_id`, and its `created_at` is `occurred_at`.
Its `company_id` is the UUID of the shop in `company_mapping`. Its `metadata` contains the event's own
fields."""
_SESSIONS = """\
The database then computes `bot_sessions` from all toggles of the shop, in the order of `occurred_at`. A
toggle with `enabled` true begins a session if none is open: the session takes its `id`, `mode`,
`started_at` and `created_at` from that event. The next toggle with `enabled` false sets its `ended_at`. The
activity's `metadata.session_id` is the id of the session, or null if there is none. An activity that ends a
session has a description such as `Durée: 12 minutes`."""
_ROWS_MADE = {
    "payment_validated": "Makes one activity.",
    "payment_issue": "Makes one activity of type `intervention`: the owner must act.",
    "order_completed": "Makes an order and an activity, in one transaction.",
    "live_toggled": f"Makes one activity, and can begin or end a session.\n\n{_SESSIONS}",
}
_UNKNOWN_UUID = "UUID of the shop"
_HEAD = "| field | type | notes | unit | meaning |\n|---|---|---|---|---|"
_PLAIN = {"uuid": "UUID", "date-time": "date and time with a time zone", "boolean": "`true` or `false`"}
_SHARED = {"type": "text", "version": "whole number"}


def text() -> str:
    """Return the text of the page."""
    parts = [_INTRODUCTION, "## Fields of every event", _table(Event, schema(CONTRACTS[0])), *_events()]
    return "\n\n".join(parts) + "\n"


def _events() -> Iterator[str]:
    for contract in CONTRACTS:
        facts = schema(contract)
        yield f"## `{type_of(contract)}`, version {newest(contract)}"
        yield f"{summary(contract)} {_schema_link(contract)}"
        yield _table(contract, facts, without=Event)
        if "definitions" in facts:
            yield "Each of the `items`:"
            yield _table(Item, facts["definitions"]["Item"])
        if type_of(contract) not in _ROWS_MADE:
            raise LookupError(
                f"{type_of(contract)} has no sentence: add one to _ROWS_MADE in docs/generate/page.py"
            )
        yield _ROWS_MADE[type_of(contract)]
        for event in examples():
            if isinstance(event, contract):
                yield from _example(event)


def _schema_link(contract: type[Event]) -> str:
    file = f"{name(contract)}.json"
    return f"([{file}](schemas/{file}))"


def _table(contract: type[Contract], facts: Schema, without: type[Contract] | None = None) -> str:
    excluded = without.model_fields if without else {}
    fields = [field for field in contract.model_fields if field not in excluded]
    return "\n".join([_HEAD, *(_line(contract, field, facts) for field in fields)])


def _line(contract: type[Contract], field: str, facts: Schema) -> str:
    fact = facts["properties"][field]
    kind = next((each for each in fact.get("anyOf", []) if each["type"] != "null"), fact)
    marks = [] if field in facts["required"] else ["optional"]
    marks += ["private"] if fact.get("x-private") else []
    type_ = _SHARED.get(field) or _in_words(kind)
    cells = [f"`{field}`", type_, ", ".join(marks), kind.get("x-unit", ""), meaning(contract, field)]
    return f"| {' | '.join(cells)} |"


def _in_words(kind: Schema) -> str:
    """Return the type of a value in English."""
    match kind:
        case {"$ref": _}:
            return "an object (below)"
        case {"enum": values}:
            return " or ".join(f"`{value}`" for value in values)
        case {"type": "array", "items": element}:
            return f"list of {_bounds(kind, 'Items')} elements, each {_in_words(element)}"
        case {"type": "string", "maxLength": _}:
            return f"text, {_bounds(kind, 'Length')} characters"
        case {"minimum": least}:
            return f"{'whole number' if kind['type'] == 'integer' else 'number'}, {least} or more"
    return _PLAIN[str(kind.get("format", kind["type"]))]


def _bounds(kind: Schema, of: str) -> str:
    return f"{kind.get(f'min{of}', 0)} to {kind[f'max{of}']:,}"


def _example(event: AnyEvent) -> Iterator[str]:
    yield f"### Example: `{event_name(event)}`"
    yield _json(event.content())
    for table, row in _rows(event).items():
        yield f"Its row in `{table}`:"
        yield _json(row)


def _rows(event: AnyEvent) -> dict[str, dict[str, Any]]:
    """Return the rows as the tables have them, without the session of a toggle."""
    parts, ids = rows(event), {"id": str(event.event_id), "company_id": _UNKNOWN_UUID}
    at = event.content()["occurred_at"]
    activity = {**ids, "customer_name": None, **parts.activity, "created_at": at}
    if parts.order is None:
        return {"activities": activity}
    order = {**ids, "status": "pending", **parts.order, "created_at": at, "updated_at": at}
    return {"orders": order, "activities": activity}


def _json(value: dict[str, Any]) -> str:
    return f"```json\n{json.dumps(value, indent=2, ensure_ascii=False)}\n```"
