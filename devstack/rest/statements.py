"""From a parsed request on a table to the one SQL statement that answers it.

Names are quoted, values are arguments, and PostgreSQL itself builds the JSON.
"""

from collections.abc import Iterable, Sequence
from typing import Any

from psycopg.sql import SQL, Composable, Composed, Identifier, Literal
from psycopg.types.json import Json

from devstack.rest.catalogue import Table
from devstack.rest.fields import Field, is_index
from devstack.rest.filters import OPERATORS, Filter
from devstack.rest.negotiation import Wishes
from devstack.rest.query import Query, Selected
from devstack.rest.transaction import Statement

_ROW = Identifier("_row")
_NOTHING = SQL("")


class Source:
    """Something to select from: a table, or what a function returned."""

    def __init__(self, name: Composable, types: dict[str, str]) -> None:
        self.name = name
        self._types = types

    @classmethod
    def of(cls, table: Table) -> "Source":
        """A table of schema `public`."""
        return cls(Identifier("public", table.name), table.types)

    def column(self, name: str) -> Composed:
        """A column, qualified so that PostgreSQL's complaint about it reads as under PostgREST."""
        return SQL("{}.{}").format(self.name, SQL("*") if name == "*" else Identifier(name))

    def field(self, field: Field) -> Composed:
        """A column, or what its JSON holds at a path."""
        column = self.column(field.name)
        if not field.path:
            return column
        if self._types.get(field.name) not in {"json", "jsonb"}:
            column = SQL("to_jsonb({})").format(column)
        return column + _NOTHING.join(_step(arrow, key) for arrow, key in field.path)

    def selection(self, items: Sequence[Selected]) -> Composed:
        """The list that follows `select` or `returning`."""
        return SQL(", ").join([self._selected(item) for item in items] or [self.column("*")])

    def _selected(self, item: Selected) -> Composed:
        value = self.field(item.field)
        if item.field.name == "*":
            return value
        if item.cast:
            value = SQL("cast({} as {})").format(value, SQL(item.cast))
        return SQL("{} as {}").format(value, Identifier(item.alias or item.field.label))


class Arguments(list[Any]):
    """The values of a statement."""

    def add(self, value: object) -> SQL:
        """Append one and answer its `$n`."""
        self.append(value)
        return SQL(f"${len(self)}")


def select(table: Table, query: Query, wishes: Wishes) -> Statement:
    """Read rows."""
    arguments = Arguments()
    text = reading(Source.of(table), query, wishes, arguments)
    return Statement(text, arguments, read_only=True, singular=wishes.singular)


def reading(source: Source, query: Query, wishes: Wishes, arguments: Arguments) -> Composed:
    """Filter, order and cut `source`; answer the page with, if wanted, the count of the whole."""
    where = _where(source, query.filters, arguments)
    page = SQL("select {} from {}{}{}{}").format(
        source.selection(query.select),
        source.name,
        where,
        _order(source, query),
        _range(query, arguments),
    )
    total = SQL("(select count(*) from {}{})") if wishes.counted else SQL("null::bigint")
    return SQL("select {}, count(*), {} from ({}) as {}").format(
        total.format(source.name, where), _json(wishes), page, _ROW
    )


def insert(table: Table, columns: Iterable[str], body: bytes, query: Query, wishes: Wishes) -> Statement:
    """Insert the object, or the objects, that `body` is."""
    arguments, names = Arguments(), sorted(columns)
    rows = payload(body, {name: table.type_of(name) for name in names}, arguments)
    into = SQL(" ({})").format(_identifiers(names)) if names else _NOTHING
    write = SQL("insert into {}{} select {} from {}").format(
        Identifier("public", table.name), into, _identifiers(names), rows
    )
    return _writing(write, Source.of(table), query, wishes, arguments)


def update(table: Table, columns: Iterable[str], body: bytes, query: Query, wishes: Wishes) -> Statement:
    """Set the columns of the object that `body` is, in the rows that the filters leave."""
    arguments, source = Arguments(), Source.of(table)
    types = {name: table.type_of(name) for name in sorted(columns)}
    if not types:
        return _no_rows()
    changes = SQL(", ").join(SQL("{0} = _body.{0}").format(Identifier(name)) for name in types)
    rows, where = payload(body, types, arguments), _where(source, query.filters, arguments)
    write = SQL("update {} set {} from {}{}").format(source.name, changes, rows, where)
    return _writing(write, source, query, wishes, arguments)


def delete(table: Table, query: Query, wishes: Wishes) -> Statement:
    """Delete the rows that the filters leave."""
    arguments, source = Arguments(), Source.of(table)
    write = SQL("delete from {}{}").format(source.name, _where(source, query.filters, arguments))
    return _writing(write, source, query, wishes, arguments)


def payload(body: bytes, types: dict[str, str], arguments: Arguments) -> Composed:
    """The rows of a JSON text, which travels to PostgreSQL as it came, and once."""
    document = arguments.add(Json(body, bytes))
    many = not body.lstrip().startswith(b"{")
    if types:
        function = SQL("json_to_recordset" if many else "json_to_record")
        columns = SQL(", ").join(SQL("{} {}").format(Identifier(n), SQL(t)) for n, t in types.items())
        return SQL("{}({}) as _body({})").format(function, document, columns)
    elements = SQL("json_array_elements({})" if many else "json_build_array({})")
    return elements.format(document) + SQL(" as _body")


def _writing(
    write: Composed, source: Source, query: Query, wishes: Wishes, arguments: Arguments
) -> Statement:
    returned = source.selection(query.select) if wishes.representation else SQL("1")
    body = _json(wishes) if wishes.representation else SQL("null::text")
    text = SQL("with _written as ({} returning {}) select count(*), count(*), {} from _written as {}")
    return Statement(text.format(write, returned, body, _ROW), arguments, singular=wishes.singular)


def _no_rows() -> Statement:
    """An update with nothing to set touches nothing."""
    return Statement(SQL("select 0, 0, {}").format(Literal("[]")), [])


def _identifiers(names: Iterable[str]) -> Composed:
    return SQL(", ").join(Identifier(name) for name in names)


def _step(arrow: str, key: str) -> Composed:
    return SQL(arrow) + Literal(int(key) if is_index(key) else key)


def _where(source: Source, filters: Sequence[Filter], arguments: Arguments) -> Composed:
    conditions = [_condition(source, condition, arguments) for condition in filters]
    start = SQL(" where " if conditions else "")
    return start + SQL(" and ").join(conditions)


def _condition(source: Source, condition: Filter, arguments: Arguments) -> Composed:
    negation = SQL("not " if condition.negated else "")
    comparison = _comparison(condition.operator, condition.value, arguments)
    return SQL("({}{} {})").format(negation, source.field(condition.field), comparison)


def _comparison(operator: str, value: str | list[str], arguments: Arguments) -> Composed:
    if isinstance(value, list):
        return SQL("= any ({})").format(arguments.add(_array(value)))
    if operator == "is":
        return SQL("is {}").format(SQL(value))
    return SQL("{} {}").format(SQL(OPERATORS[operator]), arguments.add(value))


def _array(values: Iterable[str]) -> str:
    """An array literal of no type yet: PostgreSQL takes the column's."""
    escaped = (value.replace("\\", "\\\\").replace('"', '\\"') for value in values)
    return "{" + ",".join(f'"{value}"' for value in escaped) + "}"


def _order(source: Source, query: Query) -> Composed:
    terms = [source.field(term.field) + SQL(f" {term.direction}") for term in query.order]
    return SQL(" order by " if terms else "") + SQL(", ").join(terms)


def _range(query: Query, arguments: Arguments) -> Composed:
    limit = [SQL(" limit "), arguments.add(query.limit)] if query.limit is not None else []
    offset = [SQL(" offset "), arguments.add(query.offset)] if query.offset else []
    return Composed(limit + offset)


def _json(wishes: Wishes) -> Composed:
    if wishes.singular:
        return SQL("coalesce(json_agg({})->0, 'null')::text").format(_ROW)
    return SQL("coalesce(json_agg({}), '[]')::text").format(_ROW)
