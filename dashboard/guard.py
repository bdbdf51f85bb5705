"""Authorization: calls the host's ``authorize`` with the same company that the endpoint then uses."""

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
"""A function, plain or ``async``, that returns whether a request may read and switch a company."""

_ANYTHING = [[Parameter.VAR_POSITIONAL], [Parameter.VAR_POSITIONAL, Parameter.VAR_KEYWORD]]
_NAMES = ["request", "company_id"]
_WANTED = (
    "authorize must be a function of (request, company_id) that returns True or raises an HTTPException: "
    "FastAPI does not fill in other parameters, see docs/integration.md"
)

_log = logging.getLogger("botlive.dashboard")


async def refuse(request: Request, company_id: str) -> bool:
    """Refuse every call. This is the default of ``authorize``."""
    raise HTTPException(HTTPStatus.FORBIDDEN, "nobody is authorized: the host set no `authorize`")


class Guard:
    """The dependencies of the endpoints. Each returns its argument after the host has authorized the call."""

    def __init__(self, authorize: Authorize) -> None:
        self._ask = _asking(authorize)

    async def shop(self, request: Request, company_id: Shop) -> str:
        """Return the company in the path."""
        await self._check(request, company_id)
        return company_id

    async def toggle(self, request: Request, wanted: Toggle) -> Toggle:
        """Return the toggle in the body."""
        await self._check(request, wanted.company_id)
        return wanted

    async def _check(self, request: Request, company_id: str) -> None:
        answer = await self._answer(request, company_id)
        if answer is True:
            return
        if answer is not False:  # usually a function that raises if it refuses, like a FastAPI dependency
            _log.warning("authorize returned %s, not True: refused", type(answer).__name__)
        raise HTTPException(HTTPStatus.FORBIDDEN)

    async def _answer(self, request: Request, company_id: str) -> Any:
        try:
            return await self._ask(request, company_id)
        except (AnyHTTPException, BotliveError):
            raise
        except Exception as error:  # noqa: BLE001 # any exception of the host's code means refused
            _log.error("authorize failed (%s): refused", _kind_and_place(error))
            return False


def _asking(authorize: Authorize) -> Callable[[Request, str], Awaitable[Any]]:
    """Return the function as a coroutine function.

    Raises:
        TypeError: it is not such a function. The host learns this at the start, not from a 403.
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
    """Return whether to call the function by parameter names, which may have any order."""
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
    """Return whether these are two parameters, and none has the name of the other."""
    by_place = {Parameter.POSITIONAL_ONLY, Parameter.POSITIONAL_OR_KEYWORD}
    if len(parameters) != len(_NAMES) or not {each.kind for each in parameters} <= by_place:
        return False
    first, second = parameters
    is_free = all(each.default is Parameter.empty for each in parameters)
    return is_free and first.name != _NAMES[1] and second.name != _NAMES[0]


def _kind_and_place(error: Exception) -> str:
    """Describe the error without its message, which may contain a token or data of the request."""
    frames = extract_tb(error.__traceback__)[-1:]
    places = [f" at {frame.filename}:{frame.lineno} in {frame.name}" for frame in frames]
    return "".join([type(error).__qualname__, *places])
