"""The page ``docs/events.md``: each event for people, with an example and the rows that it makes."""

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

Written by `make contracts` from `events/contracts.py` and the handlers: change those, not this page.

An event is a JSON object. The chat publishes it, a worker writes the rows that it means, each event once.
Fields that are not listed are refused. An optional field that is absent is not written. *Private* is what
is personal data: it may stand in the queue and in the tables, never in a log, a metric or an alert. Amounts
are in FCFA.

For programs: [schemas/](schemas) has a JSON Schema of each event and [an AsyncAPI
document](schemas/asyncapi.json), and [types/botlive.d.ts](types/botlive.d.ts) has TypeScript types of the
rows. How an event may change is told in [changing-an-event.md](changing-an-event.md).

Every event makes one row of `activities`, whose `id` is the `event_id` and whose `created_at` is
`occurred_at`. The `company_id` of a row is the UUID that `company_mapping` has for the shop. `metadata`
holds the event's own fields."""
_SESSIONS = """\
A worker then brings `bot_sessions` to what all switches of the shop say, in the order of `occurred_at`. A
session begins with a switch on while none is open: its `id`, `mode`, `started_at` and `created_at` are
those of that event. The next switch off gives it `ended_at`. In the activity, `metadata.session_id` gets
the session's id, or null where there is none; an activity that ends a session gets a description such as
`Durée: 12 minutes`."""
_THING = {
    "payment_validated": "Makes one activity.",
    "payment_issue": "Makes one activity, which asks the owner to step in.",
    "order_completed": "Makes an order and an activity, both or none.",
    "live_toggled": f"Makes one activity, and may begin or end a session.\n\n{_SESSIONS}",
}
_UNKNOWN_UUID = "UUID of the shop"
_HEAD = "| field | type | notes | unit | meaning |\n|---|---|---|---|---|"
_PLAIN = {"uuid": "UUID", "date-time": "date and time with a zone", "boolean": "`true` or `false`"}
_SHARED = {"type": "the name of the event", "version": "whole number"}


def text() -> str:
    """The page."""
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
        yield _THING[type_of(contract)]
        for event in examples():
            if isinstance(event, contract):
                yield from _example(event)


def _schema_link(contract: type[Event]) -> str:
    file = f"{name(contract)}.json"
    return f"([{file}](schemas/{file}))"


def _table(contract: type[Contract], facts: Schema, without: type[Contract] | None = None) -> str:
    left_out = without.model_fields if without else {}
    fields = [field for field in contract.model_fields if field not in left_out]
    return "\n".join([_HEAD, *(_line(contract, field, facts) for field in fields)])


def _line(contract: type[Contract], field: str, facts: Schema) -> str:
    said = facts["properties"][field]
    kind = next((each for each in said.get("anyOf", []) if each["type"] != "null"), said)
    marks = [] if field in facts["required"] else ["optional"]
    marks += ["private"] if said.get("x-private") else []
    type_ = _SHARED.get(field) or _in_words(kind)
    cells = [f"`{field}`", type_, ", ".join(marks), kind.get("x-unit", ""), meaning(contract, field)]
    return f"| {' | '.join(cells)} |"


def _in_words(kind: Schema) -> str:
    """The type of a value, for a person."""
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
        yield f"Its row of `{table}`:"
        yield _json(row)


def _rows(event: AnyEvent) -> dict[str, dict[str, Any]]:
    """The rows as they stand in the tables, before any session is known."""
    meant, made = rows(event), {"id": str(event.event_id), "company_id": _UNKNOWN_UUID}
    at = event.content()["occurred_at"]
    activity = {**made, "customer_name": None, **meant.activity, "created_at": at}
    if meant.order is None:
        return {"activities": activity}
    order = {**made, "status": "pending", **meant.order, "created_at": at, "updated_at": at}
    return {"orders": order, "activities": activity}


def _json(value: dict[str, Any]) -> str:
    return f"```json\n{json.dumps(value, indent=2, ensure_ascii=False)}\n```"
