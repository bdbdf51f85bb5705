"""What PostgreSQL's catalogue says about schema `public`, kept in memory.

It is read again when somebody notifies `pgrst` ("reload schema") and whenever a name is missing,
so that it is never staler than PostgREST's schema cache.
"""

import asyncio
import difflib
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import psycopg

from devstack.rest.connections import Connections
from devstack.rest.errors import ApiError

_TABLES = """
select relation.relname, attribute.attname, format_type(attribute.atttypid, attribute.atttypmod)
from pg_class relation
join pg_attribute attribute on attribute.attrelid = relation.oid
where relation.relnamespace = 'public'::regnamespace
  and relation.relkind in ('r', 'v', 'm', 'f', 'p')
  and attribute.attnum > 0 and not attribute.attisdropped
order by relation.relname, attribute.attnum
"""

# A parameter's declared length counts for nothing in a call: `character` must not cut to one.
_FUNCTIONS = """
select routine.proname, routine.provolatile <> 'v', routine.proretset,
       returned.typtype = 'c' or coalesce(routine.proargmodes::text[] && '{t,b,o}', false),
       returned.oid = 'void'::regtype,
       coalesce(
         (
           select json_agg(json_build_array(
             coalesce(name, ''),
             case type
               when 'bit'::regtype then 'bit varying'
               when 'bit[]'::regtype then 'bit varying[]'
               when 'character'::regtype then 'character varying'
               when 'character[]'::regtype then 'character varying[]'
               else format_type(type, null)
             end,
             position <= routine.pronargs - routine.pronargdefaults,
             coalesce(mode = 'v', false)
           ) order by position)
           from unnest(routine.proargnames, routine.proargtypes, routine.proargmodes)
             with ordinality as _ (name, type, mode, position)
           where type is not null
         ),
         '[]'
       )
from pg_proc routine
join pg_type declared on declared.oid = routine.prorettype
join pg_type returned on returned.oid = coalesce(nullif(declared.typbasetype, 0), declared.oid)
where routine.pronamespace = 'public'::regnamespace
  and routine.prokind = 'f'
  and returned.oid <> 'trigger'::regtype
order by routine.proname, routine.pronargs, routine.oid
"""

_RETRY = 0.2  # seconds between attempts to listen


@dataclass(frozen=True, slots=True)
class Parameter:
    """One input of a function; its name may be empty."""

    name: str
    type: str
    required: bool
    variadic: bool


@dataclass(frozen=True, slots=True)
class Routine:
    """One function of schema `public`; `name` may be overloaded."""

    name: str
    read_only: bool
    returns_set: bool
    returns_composite: bool
    returns_void: bool
    parameters: tuple[Parameter, ...]


@dataclass(frozen=True, slots=True)
class Table:
    """A table or view of schema `public`, with the types of its columns."""

    name: str
    types: dict[str, str]

    def type_of(self, column: str) -> str:
        """A column's type, or PostgREST's complaint that there is none."""
        if column not in self.types:
            message = f"Could not find the '{column}' column of '{self.name}' in the schema cache"
            raise ApiError(400, "PGRST204", message)
        return self.types[column]


class Catalogue:
    """The tables and functions that requests may name."""

    def __init__(self, connections: Connections) -> None:
        self._connections = connections
        self._tables: dict[str, Table] | None = None
        self._routines: dict[str, list[Routine]] = {}

    async def table(self, name: str, columns: Iterable[str] = ()) -> Table:
        """The table of that name, which should have these columns."""
        known = (self._tables or {}).get(name)
        if known is None or not known.types.keys() >= set(columns):
            await self.load()
            known = (self._tables or {}).get(name)
        if known is None:
            raise self._no_table(name)
        return known

    async def routines(self, name: str) -> list[Routine]:
        """The overloads of that name; none, if there are none."""
        if self._tables is None:
            await self.load()
        return self._routines.get(name, [])

    def routine_like(self, name: str) -> str | None:
        """The name of another function that may have been meant."""
        return nearest(name, self._routines, cutoff=0.75)

    async def load(self) -> None:
        """Read it all again."""
        async with self._connections.take() as connection:
            try:
                async with connection.transaction():
                    columns = await (await connection.execute(_TABLES)).fetchall()
                    functions = await (await connection.execute(_FUNCTIONS)).fetchall()
            except psycopg.Error as error:
                message = "Could not query the database for the schema cache. Retrying."
                raise ApiError(503, "PGRST002", message) from error
        self._tables = {
            name: Table(name, {column: type_ for _, column, type_ in rows})
            for name, rows in groupby(columns, key=lambda row: str(row[0]))
        }
        self._routines = {
            name: [_routine(row) for row in rows]
            for name, rows in groupby(functions, key=lambda row: str(row[0]))
        }

    async def keep_fresh(self) -> None:
        """Listen for `notify pgrst` for ever, also across restarts of PostgreSQL."""
        while True:
            try:
                await self._listen()
            except (psycopg.Error, ApiError):
                # Nothing is lost: what was notified meanwhile is read after the next connect.
                await asyncio.sleep(_RETRY)

    async def _listen(self) -> None:
        async with await self._connections.open() as connection:
            await connection.set_autocommit(True)
            await connection.execute("listen pgrst")
            await self.load()
            async for notice in connection.notifies():
                if notice.payload in {"", "reload schema"}:
                    await self.load()

    def _no_table(self, name: str) -> ApiError:
        near = nearest(name, self._tables or {}, cutoff=0.75)
        hint = near and f"Perhaps you meant the table 'public.{near}'"
        message = f"Could not find the table 'public.{name}' in the schema cache"
        return ApiError(404, "PGRST205", message, hint=hint)


def _routine(row: tuple[Any, ...]) -> Routine:
    name, read_only, returns_set, returns_composite, returns_void, parameters = row
    inputs = tuple(Parameter(*facts) for facts in parameters)
    return Routine(name, read_only, returns_set, returns_composite, returns_void, inputs)


def nearest(word: str, words: Iterable[str], *, cutoff: float) -> str | None:
    """The most similar of `words`, if one is similar enough (0 to 1)."""
    return next(iter(difflib.get_close_matches(word, list(words), n=1, cutoff=cutoff)), None)
