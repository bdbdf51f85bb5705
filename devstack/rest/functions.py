"""Calls of functions of the schema ``public`` (``/rpc/NAME``) that return one value, or nothing."""

import time
from collections.abc import Iterable
from typing import NamedTuple

from psycopg.sql import SQL, Composable, Composed, Identifier
from starlette.responses import Response

from devstack.rest.call import Call
from devstack.rest.database import Arguments, Database, Statement
from devstack.rest.errors import ApiError, unsupported

_LIFETIME = 1.0  # seconds for which a function's signature is remembered

# The declared length of a parameter has no effect in a call: `character` must not cut to one character.
_ROUTINES = """
select routine.provolatile <> 'v', returned.oid = 'void'::regtype,
  routine.proretset or returned.typtype = 'c' or coalesce(routine.proargmodes::text[] && '{t,b,o,v}', false),
  coalesce((
    select json_object_agg(name, case type
      when 'character'::regtype then 'character varying' else format_type(type, null) end)
    from unnest(routine.proargnames, routine.proargtypes::oid[]) as _ (name, type) where type is not null
  ), '{}'),
  (routine.proargnames)[:routine.pronargs - routine.pronargdefaults]
from pg_proc routine join pg_type returned on returned.oid = routine.prorettype
where routine.pronamespace = 'public'::regnamespace and routine.proname = $1
  and routine.prokind = 'f' and returned.oid <> 'trigger'::regtype
"""


class Routine(NamedTuple):
    """One function. Several may have the same name."""

    read_only: bool
    returns_void: bool
    unsupported: bool
    """Whether it returns rows or takes any number of arguments."""
    parameters: dict[str, str]
    """Each with its type."""
    required: list[str] | None


class Routines:
    """The functions of the schema ``public``, read when one is called."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._read: dict[str, tuple[float, list[Routine]]] = {}

    async def find(self, name: str, keys: Iterable[str]) -> Routine:
        """Return the function of that name which takes these arguments.

        Raises:
            ApiError: there is none, or several.
        """
        names = {*keys}
        until, known = self._read.get(name, (0.0, []))
        if time.monotonic() > until or not _fitting(known, names):
            known = [Routine(*row) for row in await self._database.rows(_ROUTINES, name)]
            self._read[name] = (time.monotonic() + _LIFETIME, known)
        found = _fitting(known, names)
        if not found:
            arguments = f"({', '.join(sorted(names))})" if names else " without parameters"
            message = f"Could not find the function public.{name}{arguments} in the schema cache"
            raise ApiError(404, "PGRST202", message)
        if len(found) > 1 or found[0].unsupported:
            raise unsupported("functions that are overloaded, return rows or have variadic parameters")
        return found[0]


async def answer(call: Call, routines: Routines, name: str) -> Response:
    """Call the function of that name.

    Raises:
        ApiError: what PostgREST would answer.
    """
    method, arguments = call.request.method, Arguments()
    if method not in {"GET", "HEAD", "POST"}:
        raise ApiError(405, "PGRST101", f"Cannot use the {method} method on RPC")
    if call.wishes.single:
        raise unsupported("calls that ask for one object")
    if method == "POST":
        text, value = await call.document(empty=b"{}")
        if not isinstance(value, dict):
            raise unsupported("calls with anything but one object of named arguments")
        routine = await routines.find(name, value)
        source, values = _from_body(routine, text, value, arguments)
    else:
        given = dict(call.pairs)
        routine = await routines.find(name, given)
        source, values = SQL(""), _from_query(routine, given, arguments)
    function = SQL("{}({})").format(Identifier("public", name), SQL(", ").join(values))
    read_only = routine.read_only or method != "POST"
    returned = await call.run(Statement(_statement(routine, function, source), arguments, read_only))
    return call.response(204 if routine.returns_void else 200, returned, first=0)


def _fitting(routines: Iterable[Routine], keys: set[str]) -> list[Routine]:
    return [
        routine for routine in routines if {*(routine.required or ())} <= keys <= routine.parameters.keys()
    ]


def _from_body(
    routine: Routine, text: str, keys: Iterable[str], arguments: Arguments
) -> tuple[Composable, list[Composable]]:
    """Return the FROM clause that takes the JSON text apart, and the arguments of the call."""
    types = [SQL("{} {}").format(Identifier(key), SQL(routine.parameters[key])) for key in keys]
    if not types:
        return SQL(""), []
    source = SQL(" from json_to_record({}::json) as _body({})").format(
        arguments.add(text), SQL(", ").join(types)
    )
    return source, [SQL("{0} => _body.{0}").format(Identifier(key)) for key in keys]


def _from_query(routine: Routine, given: dict[str, str], arguments: Arguments) -> list[Composable]:
    return [
        SQL("{} => {}::{}").format(Identifier(key), arguments.add(text), SQL(routine.parameters[key]))
        for key, text in given.items()
    ]


def _statement(routine: Routine, function: Composable, source: Composable) -> Composed:
    shape = "count({}), null::text" if routine.returns_void else "1, coalesce(to_json({})::text, 'null')"
    return SQL("select null::bigint, ") + SQL(shape).format(function) + source
