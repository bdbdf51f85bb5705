"""A request's query string, parsed as PostgREST does ("Tables and Views" in its documentation)."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

from devstack.rest.errors import ApiError, bad_query, unsupported
from devstack.rest.fields import FIELD, NAME, Field, field_of, is_field, split, unquoted
from devstack.rest.filters import Filter, no_operator, parse_filter

_SELECTED = re.compile(rf"\s*(?:(?P<alias>{NAME}):(?!:))?{FIELD}(?:::(?P<cast>[\w $]+))?\s*")
_ORDERED = re.compile(rf"{FIELD}(?:\.(?P<way>asc|desc))?(?:\.(?P<nulls>nullsfirst|nullslast))?\s*")
_NULLS = {"nullsfirst": "nulls first", "nullslast": "nulls last", None: ""}
_RESERVED = {"select", "order", "limit", "offset", "columns"}


@dataclass(frozen=True, slots=True)
class Selected:
    """One item of `select`."""

    field: Field
    alias: str | None = None
    cast: str | None = None


@dataclass(frozen=True, slots=True)
class Ordered:
    """One item of `order`, with the SQL that follows the field."""

    field: Field
    direction: str


@dataclass(frozen=True, slots=True)
class Query:
    """Everything that a query string says."""

    select: list[Selected] = field(default_factory=list)
    filters: list[Filter] = field(default_factory=list)
    order: list[Ordered] = field(default_factory=list)
    limit: int | None = None
    offset: int = 0
    columns: list[str] | None = None
    arguments: dict[str, str] = field(default_factory=dict)


def parse(pairs: list[tuple[str, str]], *, arguments: bool = False) -> Query:
    """Parse the decoded pairs of a query string.

    With `arguments`, a value that is no filter is an argument of the function that is called.
    """
    for key, _ in pairs:
        _refuse_unspoken(key)
    values = dict(pairs)
    conditions = [(key, value, parse_filter(key, value)) for key, value in pairs if key not in _RESERVED]
    return Query(
        select=_select(values.get("select", "")),
        filters=[filter_ for _, _, filter_ in conditions if filter_],
        order=_order(values.get("order", "")),
        limit=_limit(values.get("limit")),
        offset=_natural(values.get("offset")) or 0,
        columns=[unquoted(name) for name in split(values["columns"])] if "columns" in values else None,
        arguments=_arguments([pair[:2] for pair in conditions if not pair[2]], allowed=arguments),
    )


def _arguments(pairs: Iterable[tuple[str, str]], *, allowed: bool) -> dict[str, str]:
    for _, value in pairs:
        if not allowed:
            raise no_operator(value)
    return dict(pairs)


def _refuse_unspoken(key: str) -> None:
    last = key.rpartition(".")[2]
    if last in {"and", "or"}:
        raise unsupported("logic trees (and=, or=)")
    if key == "on_conflict":
        raise unsupported("upserts (on_conflict=)")
    if key != last and not is_field(key):
        raise unsupported(f"embedded resources ({key}=)")


def _select(text: str) -> list[Selected]:
    return [_selected(part, text) for part in split(text)]


def _selected(part: str, text: str) -> Selected:
    item = part.strip()
    if item == "*":
        return Selected(Field("*"))
    if "(" in re.sub(r'"[^"]*"', "", item) or item.startswith("..."):
        raise unsupported(f"embedding and aggregates (select={item})")
    match = _SELECTED.fullmatch(item)
    if match is None:
        raise bad_query("select parameter", text, text.index(part) + 1, f'unexpected "{item}"')
    alias, cast = match["alias"], match["cast"]
    return Selected(field_of(match), alias and unquoted(alias), cast and cast.strip())


def _order(text: str) -> list[Ordered]:
    return [_ordered(part, text) for part in split(text)]


def _ordered(part: str, text: str) -> Ordered:
    if "(" in part:
        raise unsupported(f"ordering by an embedded resource (order={part})")
    match = _ORDERED.fullmatch(part)
    if match is None:
        raise bad_query("order", text, text.index(part) + 1, f'unexpected "{part}"')
    return Ordered(field_of(match), f"{match['way'] or 'asc'} {_NULLS[match['nulls']]}")


def _limit(text: str | None) -> int | None:
    if text is not None and re.fullmatch(r"-[1-9]\d*", text):
        details = "Limit should be greater than or equal to zero."
        raise ApiError(416, "PGRST103", "Requested range not satisfiable", details)
    return _natural(text)


def _natural(text: str | None) -> int | None:
    """A number, or nothing: PostgREST ignores a limit that is none."""
    return int(text) if text is not None and text.isdecimal() else None
