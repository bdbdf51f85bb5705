"""Runs interleaved rounds: every contender in turn, so that a change of load affects all of them."""

import statistics
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from rich.console import Console

from bench.processes import BenchError

C = TypeVar("C")
T = TypeVar("T")
console = Console(stderr=True, highlight=False)


@dataclass
class Line(Generic[T]):
    """The results of all rounds for one line of a table."""

    runs: list[T] = field(default_factory=list)
    failure: str = ""
    """Why there is no figure: a contender that failed once has none."""

    def median(self, value: Callable[[T], float]) -> float:
        """Return the median of the rounds; nan if one failed."""
        return statistics.median(map(value, self.runs)) if self.runs and not self.failure else float("nan")


def interleaved(
    title: str, contenders: Sequence[C], name: Callable[[C], str], rounds: int, run: Callable[[C], T]
) -> dict[str, Line[T]]:
    """Run each contender ``rounds`` times; one that fails is reported and not run again."""
    lines: dict[str, Line[T]] = {name(contender): Line() for contender in contenders}
    for number in range(rounds):
        for contender in contenders:
            line = lines[name(contender)]
            console.print(f"[dim]{title}, round {number + 1} of {rounds}: {name(contender)}[/]")
            if not line.failure:
                _run(line, run, contender)
    return lines


def _run(line: Line[T], run: Callable[[C], T], contender: C) -> None:
    try:
        line.runs.append(run(contender))
    except BenchError as error:
        line.failure = f"{type(error).__name__}: {error}"
        console.print(f"[red]{line.failure}[/]")


def spread(values: Iterable[float]) -> float:
    """Return half of the range, relative to the median."""
    found = sorted(values)
    return (found[-1] - found[0]) / 2 / statistics.median(found)
