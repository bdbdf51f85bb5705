"""Who may call: the host's own function, asked about the very company that the endpoint then uses."""

import logging
from collections.abc import Awaitable, Callable, Sequence
from http import HTTPStatus
from inspect import (
    Parameter,
    isasyncgenfunction,
    isawaitable,
    iscoroutinefunction,
    isgeneratorfunction,
    signature,
)
from traceback import extract_tb
from typing import Any

from fastapi import HTTPException, Request
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException as AnyHTTPException

from dashboard.models import Shop, Toggle
from events.errors import BotliveError

Authorize = Callable[[Request, str], Any]
"""Whether that request may see and switch that company; plain or ``async``."""

_ANYTHING = [[Parameter.VAR_POSITIONAL], [Parameter.VAR_POSITIONAL, Parameter.VAR_KEYWORD]]
_NAMES = ["request", "company_id"]
_WANTED = (
    "authorize is a function of (request, company_id) that returns True or raises an HTTPException: "
    "FastAPI fills in no other parameter of it, see docs/integration.md"
)

_log = logging.getLogger("botlive.dashboard")


async def refuse(request: Request, company_id: str) -> bool:
    """Nobody may call: the host has not said who may."""
    raise HTTPException(HTTPStatus.FORBIDDEN, "nobody is authorized: the host gave no `authorize`")


class Guard:
    """The dependencies that an endpoint gets its company from, once the host has said yes."""

    def __init__(self, authorize: Authorize) -> None:
        self._ask = _asking(authorize)

    async def shop(self, request: Request, company_id: Shop) -> str:
        """The company of the path."""
        await self._check(request, company_id)
        return company_id

    async def toggle(self, request: Request, wanted: Toggle) -> Toggle:
        """The switch of the body."""
        await self._check(request, wanted.company_id)
        return wanted

    async def _check(self, request: Request, company_id: str) -> None:
        answer = await self._answer(request, company_id)
        if answer is True:
            return
        if answer is not False:  # as a rule a function that was to raise, as FastAPI's own dependencies do
            _log.warning("authorize returned %s, not True: refused", type(answer).__name__)
        raise HTTPException(HTTPStatus.FORBIDDEN)

    async def _answer(self, request: Request, company_id: str) -> Any:
        try:
            return await self._ask(request, company_id)
        except (AnyHTTPException, BotliveError):
            raise
        except Exception as error:  # noqa: BLE001 # whatever the host's code raises lets nobody in
            _log.error("authorize failed (%s): refused", _kind_and_place(error))
            return False


def _asking(authorize: Authorize) -> Callable[[Request, str], Awaitable[Any]]:
    """The function as one that is awaited.

    Raises:
        TypeError: it takes something else, or is no function; nobody shall find that out by a 403.
    """
    by_name = _takes_names(authorize)

    async def ask(request: Request, company_id: str) -> Any:
        given: tuple[Any, ...] = () if by_name else (request, company_id)
        named = dict(zip(_NAMES, (request, company_id), strict=True)) if by_name else {}
        if iscoroutinefunction(authorize):
            return await authorize(*given, **named)
        answer = await run_in_threadpool(authorize, *given, **named)
        return await answer if isawaitable(answer) else answer

    return ask


def _takes_names(authorize: Authorize) -> bool:
    """Whether it is to be called by its parameters' names, which may stand in any order."""
    if not callable(authorize) or isgeneratorfunction(authorize) or isasyncgenfunction(authorize):
        raise TypeError(_WANTED)
    parameters = [*signature(authorize).parameters.values()]
    if [each.kind for each in parameters] in _ANYTHING:
        return False
    names = [each.name for each in parameters]
    if sorted(names) == sorted(_NAMES) and all(each.kind is not each.POSITIONAL_ONLY for each in parameters):
        return True
    if not _fits_by_place(parameters):
        raise TypeError(_WANTED)
    return False


def _fits_by_place(parameters: Sequence[Parameter]) -> bool:
    """Whether they are two, and none of them has the other one's name."""
    by_place = {Parameter.POSITIONAL_ONLY, Parameter.POSITIONAL_OR_KEYWORD}
    if len(parameters) != len(_NAMES) or not {each.kind for each in parameters} <= by_place:
        return False
    first, second = parameters
    is_free = all(each.default is Parameter.empty for each in parameters)
    return is_free and first.name != _NAMES[1] and second.name != _NAMES[0]


def _kind_and_place(error: Exception) -> str:
    """Its words may hold a token or what was sent."""
    frames = extract_tb(error.__traceback__)[-1:]
    places = [f" at {frame.filename}:{frame.lineno} in {frame.name}" for frame in frames]
    return "".join([type(error).__qualname__, *places])
