"""Chooses the steps of a run by a seed, and shortens a list of steps that fails.

It serves to make many steps. Hypothesis, which chooses them in ``machine``, needs twice the time for a step.
"""

import random
from bisect import bisect
from collections.abc import Sequence
from itertools import accumulate, repeat

from tests.model.client import Server
from tests.model.life import Choice, Move, run
from tests.model.steps import STEPS
from tests.model.world import World

_SHARES = (0, 1, 1, 4)
"""Each run gives each kind of steps one of these weights: runs that leave kinds out find more faults."""


def walk(server: Server, seed: int, length: int) -> tuple[list[Move], Exception | None]:
    """Make steps that the seed chooses. Return them, and the fault that ended the run."""
    return run(server, repeat(_by_seed(seed), length))


def shorten(server: Server, moves: Sequence[Move]) -> Sequence[Move]:
    """Leave out steps without which the run still fails: first many at once, then one at a time."""
    part, before = len(moves) // 2, len(moves) + 1
    while part > 1 or len(moves) < before:
        part, before, start = max(1, part // 2), len(moves), 0
        while start < len(moves):
            made, fault = run(server, map(again, [*moves[:start], *moves[start + part :]]))
            moves, start = (made, start) if fault else (moves, start + part)
    return moves


def _by_seed(seed: int) -> Choice:
    rng, names = random.Random(seed), [*STEPS]
    weights = [*accumulate(rng.choice(_SHARES) * step.share for step in STEPS.values())]

    def choose(world: World) -> Move | None:
        for _ in range(100):
            name = names[bisect(weights, rng.random() * weights[-1])]
            step = STEPS[name]
            if step.is_possible(world):
                return Move(name, {key: rng.choice(values) for key, values in step.choices.items()})
        return Move("wait", {"seconds": 1.0})  # the run has left out all that is possible now

    return choose


def again(move: Move) -> Choice:
    """Choose this step, if it is possible."""
    return lambda world: move if STEPS[move.name].is_possible(world) else None
