"""Derives from the contracts which fields are personal data and which texts may be cut."""

from collections.abc import Iterator
from inspect import isclass
from typing import Any, get_args

from pydantic.fields import FieldInfo

from events.contracts import AnyEvent, Contract
from events.fields import Handling


def private_fields() -> frozenset[str]:
    """Return the names of the event fields that are personal data or contain some."""
    return frozenset(name for name, field in _fields() if is_private(field))


def is_private(field: FieldInfo) -> bool:
    """Return whether a contract's field is personal data or contains some."""
    return any(kind.private for part in (field, *_parts(field).values()) for kind in _kinds(part))


def cuttable_fields() -> dict[str, int]:
    """Return the fields whose text may be cut, with the number of characters to keep.

    The fields of an order's items are included.
    """
    fields = [*_fields(), *((name, part) for _, field in _fields() for name, part in _parts(field).items())]
    return {name: kind.cut_at for name, field in fields for kind in _kinds(field) if kind.cut_at is not None}


def _fields() -> Iterator[tuple[str, FieldInfo]]:
    contracts: tuple[type[Contract], ...] = get_args(get_args(AnyEvent)[0])
    for contract in contracts:
        yield from contract.model_fields.items()


def _parts(field: FieldInfo) -> dict[str, FieldInfo]:
    """Return the fields of the contract that is nested in this field, by name."""
    held = [part for part in _within(field.annotation) if isclass(part) and issubclass(part, Contract)]
    return held[0].model_fields if held else {}


def _kinds(field: FieldInfo) -> list[Handling]:
    return [part for part in (*field.metadata, *_within(field.annotation)) if isinstance(part, Handling)]


def _within(annotation: Any) -> Iterator[Any]:
    for part in get_args(annotation):
        yield part
        yield from _within(part)
