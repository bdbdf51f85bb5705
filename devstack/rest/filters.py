"""Conditions on rows, `column=operator.value` ("Horizontal Filtering" in PostgREST's documentation)."""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from devstack.rest.errors import ApiError, bad_query, unsupported
from devstack.rest.fields import Field, parse_field, unescaped

OPERATORS = {
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
    "ov": "&&",
}
_UNSPOKEN = {"fts", "plfts", "phfts", "wfts", "sl", "sr", "nxr", "nxl", "adj", "isdistinct"}
_KNOWN = OPERATORS.keys() | _UNSPOKEN | {"in", "is"}
_STATES = {
    "null": "null",
    "not_null": "not null",
    "true": "true",
    "false": "false",
    "unknown": "unknown",
}

_OPERATION = re.compile(
    r"(?P<negated>not\.)?(?P<operator>[a-z]+)(?P<quantifier>\(\w+\))?\.(?P<value>.*)", re.DOTALL
)
_ELEMENT = re.compile(r'(?:"(?P<quoted>(?:[^"\\]|\\.)*)"|(?P<plain>[^,]*))(?P<more>,|$)', re.DOTALL)


@dataclass(frozen=True, slots=True)
class Filter:
    """`field operator value`; `in` has many values, `is` has an SQL keyword for one."""

    field: Field
    operator: str
    value: str | list[str]
    negated: bool = False


def parse_filter(key: str, text: str) -> Filter | None:
    """The condition that `key=text` is, or None where `text` begins with no operator."""
    operation = _OPERATION.fullmatch(text)
    if operation is None or operation["operator"] not in _KNOWN:
        return None
    operator = operation["operator"]
    if operator in _UNSPOKEN or operation["quantifier"]:
        raise unsupported(f"the operator {operator}{operation['quantifier'] or ''}")
    return Filter(parse_field(key), operator, _value(operation), bool(operation["negated"]))


def no_operator(text: str) -> ApiError:
    """The complaint about a value that is no condition."""
    found = f'"{text[0]}"' if text else "end of input"
    details = f'unexpected {found} expecting "not" or operator (eq, gt, ...)'
    return bad_query("filter", text, 1, details)


def _value(operation: re.Match[str]) -> str | list[str]:
    match operation["operator"]:
        case "in":
            return list(_elements(_list(operation)))
        case "is":
            return _state(operation)
        case "like" | "ilike":
            return operation["value"].replace("*", "%")
    return operation["value"]


def _state(operation: re.Match[str]) -> str:
    state = _STATES.get(operation["value"].lower())
    if state is None:
        raise _bad_value(operation, "isVal: (null, not_null, true, false, unknown)")
    return state


def _list(operation: re.Match[str]) -> str:
    value = operation["value"].strip()
    if not (value.startswith("(") and value.endswith(")")):
        raise _bad_value(operation, '"("')
    return value[1:-1]


def _bad_value(operation: re.Match[str], expected: str) -> ApiError:
    found = f'"{operation["value"][:1]}"' if operation["value"] else "end of input"
    details = f"unexpected {found} expecting {expected}"
    return bad_query("filter", operation.string, operation.start("value") + 1, details)


def _elements(text: str) -> Iterable[str]:
    """The values between the parentheses of `in`; quotes protect commas."""
    at, more = 0, bool(text)
    while more and (element := _ELEMENT.match(text, at)):
        yield element["plain"] if element["quoted"] is None else unescaped(element["quoted"])
        at, more = element.end(), bool(element["more"])
