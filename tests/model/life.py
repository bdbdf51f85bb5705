"""One run of the model, and the steps that it makes."""

from collections.abc import Callable, Iterable
from contextlib import ExitStack
from typing import Any, NamedTuple

from tests.model import invariants
from tests.model.client import Server
from tests.model.clock import controlled
from tests.model.releases import newer
from tests.model.steps import STEPS
from tests.model.world import World


class Move(NamedTuple):
    """A step with its arguments."""

    name: str
    arguments: dict[str, Any]

    def __str__(self) -> str:
        values = ", ".join(f"{name}={value!r}" for name, value in self.arguments.items())
        return f"{self.name}({values})"


Choice = Callable[[World], Move | None]
"""Chooses the next step, or none."""


class Life:
    """A run, from an empty Redis to the moment when everything is persisted."""

    def __init__(self, server: Server) -> None:
        self.world = World(server)
        self._control = ExitStack()
        self._control.enter_context(controlled(self.world.clock, self.world.calls))
        self._control.enter_context(newer())
        self.world.start_worker()

    def check(self) -> None:
        """Check what holds after each step."""
        self.world.look()
        invariants.check(self.world)

    def end(self) -> None:
        """Check that everything is persisted in the end."""
        self.world.end()
        invariants.check_end(self.world)

    def close(self) -> None:
        """Give the time and the threads back."""
        self._control.close()


def run(server: Server, choices: Iterable[Choice]) -> tuple[list[Move], Exception | None]:
    """Make the steps that are chosen. Return them, and the fault that ended the run."""
    moves: list[Move] = []
    life = Life(server)
    try:
        for choose in choices:
            if move := choose(life.world):
                moves.append(move)
                STEPS[move.name].act(life.world, **move.arguments)
                life.check()
        life.end()
    except Exception as fault:  # noqa: BLE001 # the caller reports it
        return moves, fault
    finally:
        life.close()
    return moves, None
