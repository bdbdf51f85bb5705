"""Rounds, interleaved: every contender in turn, again and again, so the machine's moods are everybody's."""

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
    """What the rounds of one line of a table showed."""

    runs: list[T] = field(default_factory=list)
    failure: str = ""
    """Why there is no figure: a contender that failed once has none."""

    def median(self, value: Callable[[T], float]) -> float:
        """The median of the rounds; nan where it failed."""
        return statistics.median(map(value, self.runs)) if self.runs and not self.failure else float("nan")


def interleaved(
    title: str, contenders: Sequence[C], name: Callable[[C], str], rounds: int, run: Callable[[C], T]
) -> dict[str, Line[T]]:
    """Run each so often; one that fails is reported, and not run again."""
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
    """Half of the range, relative to the median."""
    found = sorted(values)
    return (found[-1] - found[0]) / 2 / statistics.median(found)
