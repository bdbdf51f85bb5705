"""Shows the result of a run and decides whether it failed."""

from collections.abc import Iterator

from rich.console import Console
from rich.table import Table
from rich.text import Text

from tests.fuzz.canaries import OBEYED
from tests.fuzz.run import LARGEST, Outcome

ENOUGH = 100_000
"""Number of cases after which each outcome of each target must have occurred."""


def show(outcome: Outcome, seed: int, console: Console) -> None:
    """Print the outcomes of each target, and each fault with the command that reproduces it."""
    table = Table("target", "cases", "seconds", "outcomes", title=f"fuzz, SEED={seed}")
    for name, cases in outcome.cases.items():
        became = ", ".join(f"{word} {times}" for word, times in sorted(outcome.seen[name].items()))
        table.add_row(name, f"{cases:,}", f"{outcome.seconds[name]:.0f}", Text(became))
    console.print(table)
    for fault in outcome.faults:
        numbers = ",".join(map(str, fault.numbers))
        again = f"make fuzz SEED={seed} CASE={numbers}"
        text = f"\nFAULT in {fault.target}: {fault.words}\n  {again}\n  {fault.case}"
        console.print(Text(OBEYED.sub("?", text)))
    for words in complaints(outcome):
        console.print(Text(f"\n{words}"))
    kind = "FAILED" if is_bad(outcome) else "ok"
    console.print(f"fuzz: {kind} seed={seed} cases={outcome.cases.total()} faults={len(outcome.faults)}")


def complaints(outcome: Outcome) -> Iterator[str]:
    """Yield the problems of the whole run."""
    if outcome.memory > LARGEST:
        yield f"the run used {outcome.memory // 1000} MB of memory, more than {LARGEST // 1000} MB"
    if outcome.cases.total() >= ENOUGH:
        for name, words in outcome.unseen.items():
            if outcome.cases[name]:
                yield f"{name}: no case had the outcome: {', '.join(words)}"


def is_bad(outcome: Outcome) -> bool:
    """Return whether the run has a fault or a problem."""
    return bool(outcome.faults or [*complaints(outcome)])
