"""Runs the model for a number of steps. The same seed makes the same steps."""

import time
from dataclasses import dataclass

from hypothesis import HealthCheck, Phase, Verbosity, seed, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.model.clock import quiet
from tests.model.machine import Life
from tests.model.server import Server

_STEPS = 100  # steps of one run, at most
_RUNS = 100  # runs of one seed; hypothesis keeps them all in memory


@dataclass
class Outcome:
    """What was seen."""

    steps: int
    seconds: float
    fault: str | None = None
    seed: int = 0


def explore(server: Server, steps: int, first: int = 1, *, shrink: bool = False) -> Outcome:
    """Make steps until there are so many or one fails. Each seed makes a hundred runs."""
    start, number = time.monotonic(), first
    Life.server, Life.steps = server, 0
    phases = [Phase.generate, *([Phase.shrink] if shrink else [])]
    with quiet():
        while Life.steps < steps:
            runs = min(_RUNS, max(1, (steps - Life.steps) // _STEPS))
            options = settings(
                max_examples=runs,
                stateful_step_count=_STEPS,
                phases=phases,
                database=None,
                deadline=None,
                report_multiple_bugs=False,
                suppress_health_check=list(HealthCheck),
                verbosity=Verbosity.normal if shrink else Verbosity.quiet,
            )
            try:
                run_state_machine_as_test(seed(number)(_machine()), settings=options)
            except Exception as error:  # noqa: BLE001 # the caller reports it
                fault = "\n".join([f"{type(error).__name__}: {error}", *getattr(error, "__notes__", [])])
                return Outcome(Life.steps, time.monotonic() - start, fault, number)
            number += 1
    return Outcome(Life.steps, time.monotonic() - start, seed=number - 1)


def _machine() -> type[Life]:
    return type("Life", (Life,), {})
