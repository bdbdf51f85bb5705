"""The steps as a state machine of hypothesis, which chooses them in its own way and shortens what fails."""

import sys
from typing import Any, ClassVar

import hypothesis.strategies as st
from hypothesis import HealthCheck, Phase, Verbosity, seed, settings
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from tests.model.client import Server
from tests.model.clock import quiet
from tests.model.life import Life
from tests.model.step import Step
from tests.model.steps import STEPS


class Machine(RuleBasedStateMachine):
    """The life of events, from the publisher to the inbox."""

    server: ClassVar[Server]
    steps: ClassVar[int] = 0
    """The number of steps of all runs."""

    def __init__(self) -> None:
        super().__init__()
        self.life = Life(self.server)
        Machine.steps -= 1  # the first check is before the first step

    @invariant()
    def holds(self) -> None:
        """Check what holds after each step, and count the step."""
        Machine.steps += 1
        self.life.check()

    def teardown(self) -> None:
        """End the run: everything is persisted in the end."""
        if sys.exc_info()[0] is None:  # otherwise a step has failed, and its error is the one to report
            self.life.end()
        self.life.close()


def _rule(step: Step) -> Any:
    def act(machine: Machine, **arguments: Any) -> None:
        step.act(machine.life.world, **arguments)

    act.__name__ = step.act.__name__
    strategies: dict[str, Any] = {name: st.sampled_from(values) for name, values in step.choices.items()}
    made: Any = rule(**strategies)
    condition: Any = precondition(lambda machine: step.is_possible(machine.life.world))
    return condition(made(act))


def explore_by_rules(server: Server, runs: int, length: int, first: int = 1) -> int:
    """Let hypothesis choose the steps of some runs. Return the number of steps.

    Raises:
        Exception: a step failed. Its notes are the shortest list of steps that fails.
    """
    Machine.server, Machine.steps = server, 0
    machine = type("Machine", (Machine,), {name: _rule(step) for name, step in STEPS.items()})
    options = settings(
        max_examples=runs,
        stateful_step_count=length,
        phases=[Phase.generate, Phase.shrink],
        database=None,
        deadline=None,
        report_multiple_bugs=False,
        suppress_health_check=list(HealthCheck),
        verbosity=Verbosity.normal,
    )
    with quiet():
        run_state_machine_as_test(seed(first)(machine), settings=options)
    return Machine.steps
