"""A decorator that prevents a function of the drop-in from raising into the chat."""

from collections.abc import Awaitable, Callable, Coroutine
from functools import wraps
from inspect import Signature, signature
from typing import Any, ParamSpec, TypeVar

from dropin.journal import logger, tell
from dropin.sender import Fields, send
from events.contracts import Event
from events.parsing import shown

P = ParamSpec("P")
R = TypeVar("R")
O = TypeVar("O")  # noqa: E741 - the result of "otherwise"


def guarded(
    contract: type[Event] | None, otherwise: Callable[[], O]
) -> Callable[[Callable[P, Awaitable[R]]], Callable[P, Coroutine[Any, Any, R | O]]]:
    """Make the function log an exception instead of raising it, and return ``otherwise()``.

    If it is called with wrong arguments and has a ``contract``, the arguments are published unchecked. A
    worker then refuses them, and they are kept in the failed registry.
    """

    def decorate(function: Callable[P, Awaitable[R]]) -> Callable[P, Coroutine[Any, Any, R | O]]:
        expected = signature(function)

        @wraps(function)
        async def call(*args: P.args, **kwargs: P.kwargs) -> R | O:
            try:
                expected.bind(*args, **kwargs)
            except TypeError as error:
                # The message names arguments and quotes no value, but a wrong name may be data too.
                problem = error if "?" not in shown(kwargs) else "an argument's name is not valid"
                logger.error("%s is called with wrong arguments: %s", function.__name__, problem)
                if contract:
                    await send(contract, _given(expected, args, kwargs))
                return otherwise()
            try:
                return await function(*args, **kwargs)
            except Exception as error:  # noqa: BLE001 - the chat must not fail because of us
                tell(f"{function.__name__} failed", error)
                return otherwise()

        return call

    return decorate


def _given(expected: Signature, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Fields:
    """Return the caller's arguments by name, with the defaults for those that are missing.

    ``arguments`` holds the surplus arguments. No contract has such a field, so the event is always refused,
    even if a missing argument is optional in the contract. The caller was told that it is refused.
    """
    parameters = expected.parameters.values()
    defaults = {each.name: each.default for each in parameters if each.default is not each.empty}
    names = [each.name for each in parameters if each.kind is each.POSITIONAL_OR_KEYWORD]
    positional = dict(zip(names, args, strict=False))
    surplus = [*args[len(names) :], *(value for name, value in kwargs.items() if name in positional)]
    return {**defaults, **kwargs, **positional, "arguments": surplus}
