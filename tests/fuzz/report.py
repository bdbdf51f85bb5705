"""What is shown of a run, and how it ends."""

from collections.abc import Iterator

from rich.console import Console
from rich.table import Table
from rich.text import Text

from tests.fuzz.canaries import OBEYED
from tests.fuzz.run import LARGEST, Outcome

ENOUGH = 100_000
"""Cases after which every outcome that a target knows must have come about."""


def show(outcome: Outcome, seed: int, console: Console) -> None:
    """By target what became of the cases; then each fault, with the command that makes it again."""
    table = Table("target", "cases", "seconds", "what became of them", title=f"fuzz, SEED={seed}")
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
    """What is wrong with the run as a whole."""
    if outcome.memory > LARGEST:
        yield f"it took {outcome.memory // 1000} MB of memory, more than {LARGEST // 1000}"
    if outcome.cases.total() >= ENOUGH:
        for name, words in outcome.unseen.items():
            if outcome.cases[name]:
                yield f"{name}: it never came about that a case is: {', '.join(words)}"


def is_bad(outcome: Outcome) -> bool:
    """Whether something is not as it must be."""
    return bool(outcome.faults or [*complaints(outcome)])
