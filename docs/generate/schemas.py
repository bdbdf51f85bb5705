"""The JSON Schema of an event, from its class: what a worker reads, in the form that a publisher writes.

Of draft 7, the one that every AsyncAPI tool knows; nothing that pydantic writes for us is newer.
"""

from typing import Any, get_args

from docs.generate.examples import examples
from docs.generate.meanings import meaning, summary
from events import AnyEvent, Event, Item
from events.contracts import Contract
from events.privacy import is_private

DIALECT = "http://json-schema.org/draft-07/schema#"
CONTRACTS: tuple[type[Event], ...] = get_args(get_args(AnyEvent)[0])
"""The class of each type."""

Schema = dict[str, Any]


def type_of(contract: type[Event]) -> str:
    """The name of its type."""
    return str(contract.model_fields["type"].default)


def newest(contract: type[Event]) -> int:
    """Its newest version."""
    return int(contract.model_fields["version"].default)


def name(contract: type[Event], version: int | None = None) -> str:
    """The name of the schema of a version, the newest where none is given."""
    return f"{type_of(contract)}.v{version or newest(contract)}"


def schema(contract: type[Event]) -> Schema:
    """The schema of its newest version. Those of older versions stay as they were written."""
    made = contract.model_json_schema(ref_template="#/definitions/{model}")
    parts = made.pop("$defs", {})
    properties = _told(made["properties"], contract)
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
    return {**item, "properties": _told(item["properties"], Item)}


def _told(properties: Schema, contract: type[Contract]) -> Schema:
    """With what each field means, and which are personal data."""
    told = {}
    for field, facts in properties.items():
        said = {fact: value for fact, value in facts.items() if fact != "title"}
        private = {"x-private": True} if is_private(contract.model_fields[field]) else {}
        told[field] = {"description": meaning(contract, field), **said, **private}
    return told
