"""Calls of functions (`/rpc/NAME`): which overload is meant, and the SQL that calls it."""

from collections.abc import Iterable
from dataclasses import dataclass, replace

from psycopg.sql import SQL, Composable, Composed, Identifier
from psycopg.types.json import Json

from devstack.rest.catalogue import Catalogue, Parameter, Routine, nearest
from devstack.rest.errors import ApiError
from devstack.rest.negotiation import Wishes
from devstack.rest.query import Query
from devstack.rest.statements import Arguments, Source, payload, reading
from devstack.rest.transaction import Statement


@dataclass(frozen=True, slots=True)
class RpcCall:
    """A function's name and the arguments, as one JSON text or as texts of a query string."""

    name: str
    keys: frozenset[str]
    body: bytes | None = None
    texts: dict[str, str] | None = None


async def resolve(catalogue: Catalogue, call: RpcCall) -> Routine:
    """The overload that takes these arguments; the catalogue is read again before a refusal."""
    candidates = _candidates(await catalogue.routines(call.name), call)
    if not candidates:
        await catalogue.load()
        candidates = _candidates(await catalogue.routines(call.name), call)
    if not candidates:
        raise _no_function(call, await catalogue.routines(call.name), catalogue.routine_like(call.name))
    if len(candidates) > 1:
        raise _ambiguous(candidates)
    return candidates[0]


def statement(routine: Routine, call: RpcCall, query: Query, wishes: Wishes) -> Statement:
    """Call it, and answer what it returns in the shape that PostgREST gives it."""
    arguments = Arguments()
    called = _call(routine, call, arguments)
    text = (
        _rows(routine, called, query, wishes, arguments)
        if routine.returns_composite
        else _scalars(routine, called)
    )
    read_only = routine.read_only or call.texts is not None
    return Statement(text, arguments, read_only, singular=wishes.singular and routine.returns_set)


def _rows(routine: Routine, called: Composed, query: Query, wishes: Wishes, arguments: Arguments) -> Composed:
    result = Identifier("pgrst_source")
    wishes = replace(wishes, singular=wishes.singular or not routine.returns_set)
    page = reading(Source(result, {}), query, wishes, arguments)
    return SQL("with {} as (select _called.* from {}) {}").format(result, called, page)


def _scalars(routine: Routine, called: Composed) -> Composed:
    if routine.returns_void:
        return SQL("select null::bigint, count(_called), null::text from {}").format(called)
    if routine.returns_set:
        body = SQL("coalesce(json_agg(_called.value), '[]')::text")
    else:
        body = SQL("coalesce(json_agg(_called.value)->0, 'null')::text")
    return SQL("select null::bigint, count(*), {} from {}").format(body, called)


def _call(routine: Routine, call: RpcCall, arguments: Arguments) -> Composed:
    """The `from` clause in which the function is called as `_called`."""
    before, values = _values(routine, call, arguments)
    invocation = SQL("{}({})").format(Identifier("public", routine.name), SQL(", ").join(values))
    if routine.returns_composite:
        return SQL("{}{} as _called").format(before, invocation)
    return SQL("{}lateral (select {} as value) as _called").format(before, invocation)


def _values(routine: Routine, call: RpcCall, arguments: Arguments) -> tuple[Composed, list[Composable]]:
    given = [parameter for parameter in routine.parameters if parameter.name in call.keys]
    if call.texts is not None:
        texts = call.texts
        return Composed([]), [_cast(parameter, arguments.add(texts[parameter.name])) for parameter in given]
    body = call.body or b"{}"
    if _is_unnamed(routine):
        document = arguments.add(Json(body, bytes))
        return Composed([]), [SQL("{}::{}").format(document, _type(routine.parameters[0]))]
    if not given:
        return Composed([]), []
    rows = payload(body, {parameter.name: parameter.type for parameter in given}, arguments)
    return SQL("{}, ").format(rows), [_named(parameter) for parameter in given]


def _named(parameter: Parameter) -> Composed:
    value = SQL("_body.{}").format(Identifier(parameter.name))
    return SQL("{}{} => {}").format(_variadic(parameter), Identifier(parameter.name), value)


def _cast(parameter: Parameter, value: Composable) -> Composed:
    parts = (_variadic(parameter), Identifier(parameter.name), value, _type(parameter))
    return SQL("{}{} => {}::{}").format(*parts)


def _variadic(parameter: Parameter) -> SQL:
    return SQL("variadic " if parameter.variadic else "")


def _type(parameter: Parameter) -> SQL:
    return SQL(parameter.type)


def _candidates(routines: Iterable[Routine], call: RpcCall) -> list[Routine]:
    """Those whose parameters the keys fit; failing that, those that take the whole body."""
    overloads = list(routines)
    named = [routine for routine in overloads if _accepts(routine, call.keys)]
    return named or [routine for routine in overloads if call.texts is None and _is_unnamed(routine)]


def _accepts(routine: Routine, keys: frozenset[str]) -> bool:
    names = {parameter.name for parameter in routine.parameters}
    required = {parameter.name for parameter in routine.parameters if parameter.required}
    return required <= keys <= names


def _is_unnamed(routine: Routine) -> bool:
    parameters = routine.parameters
    return len(parameters) == 1 and not parameters[0].name and parameters[0].type in {"json", "jsonb"}


def _no_function(call: RpcCall, overloads: list[Routine], similar: str | None) -> ApiError:
    names = ", ".join(sorted(call.keys))
    function = f"public.{call.name}"
    message = f"({names})" if names else " without parameters"
    searched = f" with parameter{'s' if len(call.keys) > 1 else ''} {names}" if names else message
    unnamed = "" if call.texts is not None else " or with a single unnamed json/jsonb parameter"
    return ApiError(
        404,
        "PGRST202",
        f"Could not find the function {function}{message} in the schema cache",
        details=f"Searched for the function {function}{searched}{unnamed},"
        " but no matches were found in the schema cache.",
        hint=_hint(call, overloads, similar),
    )


def _hint(call: RpcCall, overloads: list[Routine], similar: str | None) -> str | None:
    start = "Perhaps you meant to call the function public."
    if not overloads:
        return similar and start + similar
    signatures = [_signature(parameter.name for parameter in routine.parameters) for routine in overloads]
    near = nearest(_signature(call.keys), signatures, cutoff=0.33)
    return near and start + call.name + near


def _signature(names: Iterable[str]) -> str:
    return f"({', '.join(sorted(names))})"


def _ambiguous(candidates: list[Routine]) -> ApiError:
    hint = (
        "Try renaming the parameters or the function itself in the database"
        " so function overloading can be resolved"
    )
    choices = ", ".join(_declaration(routine) for routine in candidates)
    message = f"Could not choose the best candidate function between: {choices}"
    return ApiError(300, "PGRST203", message, hint=hint)


def _declaration(routine: Routine) -> str:
    parameters = ", ".join(f"{parameter.name} => {parameter.type}" for parameter in routine.parameters)
    return f"public.{routine.name}({parameters})"
