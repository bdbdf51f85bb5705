"""TypeScript types of the rows that events make, for the front end."""

import json
from typing import Any, get_args, get_type_hints

from docs.generate.examples import event_name, examples
from docs.generate.schemas import CONTRACTS, Schema, schema
from events import AnyEvent, Event, Item, OrderCompleted
from handlers import rows
from handlers.rows import ActivityStatus, ActivityType, EventName, OrderStatus, Toggle

_HEAD = """\
// `make contracts` generates this file from events/contracts.py and handlers/rows.py. Do not edit it by hand.
//
// The types describe rows that events made, as the API returns them. A row that a person or the front end
// made can have other values, and its `metadata` can be null.
"""
_ROWS = """\
interface ActivityOf<
  Type extends ActivityType, Status extends ActivityStatus, Metadata, CustomerName extends string | null
> {
  id: string;
  company_id: string;
  conversation_id: string | null;
  type: Type;
  status: Status;
  title: string;
  description: string;
  customer_name: CustomerName;
  metadata: Metadata;
  created_at: string;
}

/** A row in `orders`. */
export interface Order {
  id: string;
  company_id: string;
  conversation_id: string | null;
  customer_name: string;
  /** FCFA. */
  total_amount: number;
  status: OrderStatus;
  items: Item[];
  metadata: OrderMetadata;
  created_at: string;
  updated_at: string;
}

/** A row in `bot_sessions`. */
export interface BotSession {
  id: string;
  company_id: string;
  mode: Mode;
  started_at: string;
  /** Null while the session is open. */
  ended_at: string | null;
  created_at: string;
}

/** The message about changed rows on the private channel `botlive:<company_id>` (Realtime Broadcast). */
export interface Change {
  table: "orders" | "activities" | "bot_sessions";
  operation: "INSERT" | "UPDATE" | "DELETE";
  /** The number of rows. */
  count: number;
  /** The ids of the rows, 100 at most. */
  ids: string[];
}
"""
# The fields that the database adds to an activity of this type.
_SESSION = {"LiveToggled": {"session_id": "string | null"}}


def declarations() -> str:
    """Return the text of ``botlive.d.ts``."""
    unions = {
        "ActivityType": get_args(ActivityType),
        "ActivityStatus": get_args(ActivityStatus),
        "OrderStatus": get_args(OrderStatus),
        "EventName": get_args(EventName),
        "Mode": get_args(get_type_hints(Toggle)["mode"]),
    }
    parts = [_HEAD, *(f"export type {name} = {_union(values)};" for name, values in unions.items()), ""]
    parts += [
        _interface(
            "Item", "An item of an order.", _fields(_order()["definitions"]["Item"], [*Item.model_fields])
        )
    ]
    parts += [_interface("OrderMetadata", "The `metadata` of an order.", _order_metadata())]
    parts += [_metadata(contract) for contract in CONTRACTS]
    parts += [_ROWS, f"/** A row in `activities`. */\nexport type Activity =\n{_activities()};"]
    return "\n".join(parts) + "\n"


def _order() -> Schema:
    return schema(OrderCompleted)


def _order_metadata() -> dict[str, str]:
    """Return the fields of an order's metadata. The example has all optional fields."""
    full = next(event for event in examples() if isinstance(event, OrderCompleted))
    order = rows(full).order
    return _fields(_order(), [*order["metadata"]] if order else [])


def _metadata(contract: type[Event]) -> str:
    shown = [event for event in examples() if isinstance(event, contract)]
    if not shown:
        raise LookupError(f"{contract.__name__} has no example: add one to examples/day.ndjson")
    own = {field for field in contract.model_fields if field not in Event.model_fields}
    fields = {"event": _union([event_name(event) for event in shown]), "event_id": "string"}
    fields |= dict.fromkeys(_extras(shown[0], own | fields.keys()), "string")
    fields |= _SESSION.get(contract.__name__, {})
    kept = [*(field for field in contract.model_fields if field in own), "amended", "conversation_id"]
    fields |= _fields(schema(contract), kept)
    return _interface(f"{contract.__name__}Metadata", "The `metadata` of an activity.", fields)


def _extras(event: AnyEvent, known: set[str]) -> list[str]:
    """Return the metadata that the handler adds to the event's fields."""
    return [
        name for name in rows(event).activity["metadata"] if name not in known | Event.model_fields.keys()
    ]


def _activities() -> str:
    """Return one alternative for each event type, type and status of the activity."""
    return "\n".join(dict.fromkeys(map(_alternative, examples())))


def _alternative(event: AnyEvent) -> str:
    activity = rows(event).activity
    customer = "string" if "customer_name" in activity else "null"
    labels = f"{json.dumps(activity['type'])}, {json.dumps(activity['status'])}"
    return f"  | ActivityOf<{labels}, {type(event).__name__}Metadata, {customer}>"


def _interface(name: str, comment: str, fields: dict[str, str]) -> str:
    lines = "\n".join(f"  {field}: {kind};" for field, kind in fields.items())
    return f"/** {comment} */\nexport interface {name} {{\n{lines}\n}}\n"


def _fields(facts: Schema, names: list[str]) -> dict[str, str]:
    """Return the fields with their types. A field that can be absent has a question mark."""
    properties = facts["properties"]
    return {f"{name}?" if "anyOf" in properties[name] else name: _type(properties[name]) for name in names}


def _type(kind: dict[str, Any]) -> str:
    match kind:
        case {"anyOf": [present, {"type": "null"}]}:
            return _type(present)
        case {"$ref": target}:
            return str(target).rpartition("/")[2]
        case {"enum": values}:
            return _union(values)
        case {"type": "array", "items": element}:
            return f"{_type(element)}[]"
    return {"string": "string", "boolean": "boolean"}.get(kind["type"], "number")


def _union(values: Any) -> str:
    return " | ".join(json.dumps(value) for value in values)
