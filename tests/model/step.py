"""A kind of step of the model, and the list of all kinds."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from tests.model.world import World

Condition = Callable[[World], Any]
Act = Callable[..., None]


class Step(NamedTuple):
    """A kind of step."""

    act: Act
    """Takes the world, then the arguments."""
    is_possible: Condition
    choices: dict[str, Sequence[Any]]
    """The values of each argument."""
    share: int
    """How often a walk makes it, compared with the others."""


STEPS: dict[str, Step] = {}
"""All kinds of steps, by name."""


def step(
    is_possible: Condition = lambda world: True, share: int = 1, **choices: Sequence[Any]
) -> Callable[[Act], Act]:
    """Add the decorated function to the kinds of steps. ``choices`` are its arguments after the world."""

    def add(act: Act) -> Act:
        STEPS[act.__name__] = Step(act, is_possible, choices, share)
        return act

    return add
