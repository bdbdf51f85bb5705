"""The JSON Schema of an event, made from its class.

It describes the events as a publisher writes them. It is of draft 7, which every AsyncAPI tool supports.
pydantic's schemas of our classes use nothing newer.
"""

from typing import Any, get_args

from docs.generate.examples import examples
from docs.generate.meanings import meaning, summary
from events import AnyEvent, Event, Item
from events.contracts import Contract
from events.privacy import is_private

DIALECT = "http://json-schema.org/draft-07/schema#"
CONTRACTS: tuple[type[Event], ...] = get_args(get_args(AnyEvent)[0])
"""The class of each event type."""

Schema = dict[str, Any]


def type_of(contract: type[Event]) -> str:
    """Return the name of the event type."""
    return str(contract.model_fields["type"].default)


def newest(contract: type[Event]) -> int:
    """Return the newest version of the contract."""
    return int(contract.model_fields["version"].default)


def name(contract: type[Event], version: int | None = None) -> str:
    """Return the name of the schema of a version, by default the newest."""
    return f"{type_of(contract)}.v{version or newest(contract)}"


def schema(contract: type[Event]) -> Schema:
    """Return the schema of the newest version. The files of older versions stay unchanged."""
    made = contract.model_json_schema(ref_template="#/definitions/{model}")
    parts = made.pop("$defs", {})
    properties = _described(made["properties"], contract)
    properties["version"]["const"] = newest(contract)
    return {
        "$schema": DIALECT,
        **made,
        "title": f"{type_of(contract)}, version {newest(contract)}",
        "description": summary(contract),
        "properties": properties,
        "required": ["type", *made["required"]],
        **({"definitions": {"Item": _part(parts["Item"])}} if parts else {}),
        "examples": [event.content() for event in examples() if isinstance(event, contract)],
    }


def _part(item: Schema) -> Schema:
    return {**item, "properties": _described(item["properties"], Item)}


def _described(properties: Schema, contract: type[Contract]) -> Schema:
    """Add to each field its description, and the mark of personal data."""
    described = {}
    for field, facts in properties.items():
        kept = {fact: value for fact, value in facts.items() if fact != "title"}
        private = {"x-private": True} if is_private(contract.model_fields[field]) else {}
        described[field] = {"description": meaning(contract, field), **kept, **private}
    return described
