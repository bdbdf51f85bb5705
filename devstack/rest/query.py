"""Translates the query string of a request on a table to SQL.

It knows what this project uses of PostgREST's language: filters, ``select`` with names, aliases, casts and
JSON paths, ``order``, ``limit``, ``offset`` and ``columns``. Everything else is refused.
"""

import re
from collections.abc import Sequence
from typing import NamedTuple

from psycopg.sql import SQL, Composable, Composed, Identifier, Literal

from devstack.rest.database import Arguments
from devstack.rest.errors import unsupported

_OPERATORS = {
    "eq": "=",
    "neq": "<>",
    "gt": ">",
    "gte": ">=",
    "lt": "<",
    "lte": "<=",
    "like": "like",
    "ilike": "ilike",
    "match": "~",
    "imatch": "~*",
    "cs": "@>",
    "cd": "<@",
}
_STATES = {"null", "true", "false"}  # the values of `is`
_RESERVED = {"select", "order", "limit", "offset", "columns"}

_FIELD = r"(?P<name>\w+)(?P<path>(?:->>?[^\W\d]\w*)*)"
_COLUMN = re.compile(_FIELD)
_SELECTED = re.compile(rf"(?:(?P<alias>\w+):(?!:))?{_FIELD}(?:::(?P<cast>\w+))?")
_ORDERED = re.compile(rf"{_FIELD}(?:\.(?P<way>asc|desc))?(?:\.nulls(?P<nulls>first|last))?")
_CONDITION = re.compile(r"(?P<negated>not\.)?(?P<operator>[a-z]+)\.(?P<value>.*)", re.DOTALL)
_ELEMENT = re.compile(r'"((?:[^"\\]|\\.)*)"|([^,]+)', re.DOTALL)


class Query(NamedTuple):
    """The parts of a statement that a query string names."""

    selection: Composable
    where: Composable
    """With its keyword; empty without a filter."""
    order_and_page: Composable
    filtered: bool
    offset: int
    columns: list[str] | None


def parse(table: str, pairs: Sequence[tuple[str, str]], arguments: Arguments) -> Query:
    """Translate the decoded pairs of a query string. Values become arguments, names are quoted.

    Raises:
        ApiError: it says something that this stand-in does not support.
    """
    source, values = Identifier(table), dict(pairs)
    filters = [_filter(source, key, value, arguments) for key, value in pairs if key not in _RESERVED]
    conditions = SQL(" where ") + SQL(" and ").join(filters) if filters else SQL("")
    selected = [_selected(source, item) for item in _items(values, "select")]
    ordered = [_ordered(source, item) for item in _items(values, "order")]
    order = SQL(" order by ") + SQL(", ").join(ordered) if ordered else SQL("")
    page = [SQL(f" {name} {_number(name, values[name])}") for name in ("limit", "offset") if name in values]
    return Query(
        selection=SQL(", ").join(selected or [SQL("{}.*").format(source)]),
        where=conditions,
        order_and_page=Composed([order, *page]),
        filtered=bool(filters),
        offset=_number("offset", values.get("offset", "0")),
        columns=[_matched(_COLUMN, item)["name"] for item in _items(values, "columns")] or None,
    )


def _items(values: dict[str, str], name: str) -> list[str]:
    return [item.strip() for item in values.get(name, "").split(",") if item]


def _matched(pattern: re.Pattern[str], text: str) -> re.Match[str]:
    match = pattern.fullmatch(text)
    if match is None:
        raise unsupported(f"{text!r} in a query string")
    return match


def _field(source: Identifier, match: re.Match[str]) -> Composed:
    """Return a column, or the part of its JSON at a path."""
    column = SQL("{}.{}").format(source, Identifier(match["name"]))
    steps = re.findall(r"(->>?)(\w+)", match["path"])
    if not steps:
        return column
    path = SQL("").join(SQL(arrow) + Literal(key) for arrow, key in steps)
    return SQL("to_jsonb({})").format(column) + path


def _selected(source: Identifier, item: str) -> Composed:
    if item == "*":
        return SQL("{}.*").format(source)
    match = _matched(_SELECTED, item)
    value, label = (
        _field(source, match),
        match["alias"] or re.split("->>?", match["path"])[-1] or match["name"],
    )
    if match["cast"]:
        value = SQL("cast({} as {})").format(value, SQL(match["cast"]))
    return SQL("{} as {}").format(value, Identifier(label))


def _ordered(source: Identifier, item: str) -> Composed:
    match = _matched(_ORDERED, item)
    nulls = f" nulls {match['nulls']}" if match["nulls"] else ""
    return _field(source, match) + SQL(f" {match['way'] or 'asc'}{nulls}")


def _number(name: str, text: str) -> int:
    if not text.isdecimal():
        raise unsupported(f"{name}={text}")
    return int(text)


def _filter(source: Identifier, key: str, text: str, arguments: Arguments) -> Composed:
    field, condition = _field(source, _matched(_COLUMN, key)), _matched(_CONDITION, text)
    negation = SQL("not " if condition["negated"] else "")
    comparison = _comparison(condition["operator"], condition["value"], arguments)
    return SQL("({}{} {})").format(negation, field, comparison)


def _comparison(operator: str, value: str, arguments: Arguments) -> Composable:
    match operator:
        case "is" if value in _STATES:
            return SQL(f"is {value}")
        case "in":
            elements = [arguments.add(element) for element in _elements(value)]
            return SQL("in ({})").format(SQL(", ").join(elements))
        case "like" | "ilike":
            value = value.replace("*", "%")
    if operator not in _OPERATORS:
        raise unsupported(f"the filter {operator}.{value}")
    return SQL("{} {}").format(SQL(_OPERATORS[operator]), arguments.add(value))


def _elements(text: str) -> list[str]:
    """Return the values of ``in``; quotes protect commas."""
    found = _ELEMENT.findall(text[1:-1])
    if not found or (text[0], text[-1]) != ("(", ")"):
        raise unsupported(f"the filter in.{text}")
    return [re.sub(r"\\(.)", r"\1", quoted, flags=re.DOTALL) or plain for quoted, plain in found]
