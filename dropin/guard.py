"""What makes a function of the drop-in harmless to the chat that calls it."""

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
O = TypeVar("O")  # noqa: E741 - for "otherwise"


def guarded(
    contract: type[Event] | None, otherwise: Callable[[], O]
) -> Callable[[Callable[P, Awaitable[R]]], Callable[P, Coroutine[Any, Any, R | O]]]:
    """Have the function log what it would raise, and return what ``otherwise`` makes.

    Where it is called with arguments that it does not take, what was given goes the way of the
    events, and a worker refuses it by name.
    """

    def decorate(function: Callable[P, Awaitable[R]]) -> Callable[P, Coroutine[Any, Any, R | O]]:
        expected = signature(function)

        @wraps(function)
        async def call(*args: P.args, **kwargs: P.kwargs) -> R | O:
            try:
                expected.bind(*args, **kwargs)
            except TypeError as error:
                # It names arguments and quotes no value; but a name may be a piece of data too.
                words = error if "?" not in shown(kwargs) else "an argument's name is none"
                logger.error("%s is called wrongly: %s", function.__name__, words)
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
    """All that the caller gave, under the names that it has, and the defaults of the rest.

    ``arguments`` is no field of a contract: what was left out may be one that need not be there, and the
    caller has been told that the event is refused.
    """
    parameters = expected.parameters.values()
    defaults = {each.name: each.default for each in parameters if each.default is not each.empty}
    names = [each.name for each in parameters if each.kind is each.POSITIONAL_OR_KEYWORD]
    positional = dict(zip(names, args, strict=False))
    surplus = [*args[len(names) :], *(value for name, value in kwargs.items() if name in positional)]
    return {**defaults, **kwargs, **positional, "arguments": surplus}
