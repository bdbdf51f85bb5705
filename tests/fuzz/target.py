"""The base of all targets: creates the input of one entry point, and checks what must hold for it."""

from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from typing import Any, ClassVar

from tests.fuzz import canaries
from tests.fuzz.dice import Dice


class Target:
    """One entry point of the product."""

    name: ClassVar[str]
    share: ClassVar[int]
    """The number of its cases in each thousand."""
    group: ClassVar[int] = 1
    """How many cases are checked together. More than 1 if the setup of a check is slow."""
    outcomes: ClassVar[frozenset[str]]
    """All possible outcomes of a case. Each must occur in a long run, otherwise the run proves nothing."""

    def open(self, stack: ExitStack) -> None:
        """Set up what all cases share. The stack closes it at the end of the run."""

    def enter(self, stack: ExitStack) -> None:
        """Set up what is needed only during a check, because all targets share one process."""

    def make(self, dice: Dice) -> Any:
        """Create a case."""
        raise NotImplementedError

    def check(self, case: Any) -> Iterable[str]:
        """Check a case and return its outcomes. Any exception is a fault of the product."""
        raise NotImplementedError

    def check_all(self, cases: Sequence[Any]) -> Iterable[str]:
        """Check a group of cases and return their outcomes."""
        return [outcome for case in cases for outcome in self.check(case)]


def no_canary(said: str, of: str, *, values: bool = True) -> None:
    """Assert that the text contains no canary."""
    found = canaries.seen(said, values=values)
    assert found is None, f"{of} shows {found}"


def one_line(said: str, of: str, *, values: bool = True) -> None:
    """Assert that the text is one printable line without a canary, and is not too long."""
    no_canary(said, of, values=values)
    assert canaries.on_one_line(said), f"{of} is not one printable line"
    assert 0 < len(said) <= 2_000, f"{of} has {len(said)} characters"
