"""What a target is: a way in, how it is spoilt, and what must hold whatever comes."""

from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from typing import Any, ClassVar

from tests.fuzz import canaries
from tests.fuzz.dice import Dice


class Target:
    """One way in."""

    name: ClassVar[str]
    share: ClassVar[int]
    """Of a thousand cases."""
    group: ClassVar[int] = 1
    """How many cases are checked at once, where setting up a check costs more than a case."""
    outcomes: ClassVar[frozenset[str]]
    """All that may become of a case. A run of some length sees each: else it would prove nothing."""

    def open(self, stack: ExitStack) -> None:
        """Set up what all cases share, until the stack is left."""

    def enter(self, stack: ExitStack) -> None:
        """Put in place what is only to be there while cases are checked: targets share one process."""

    def make(self, dice: Dice) -> Any:
        """A case."""
        raise NotImplementedError

    def check(self, case: Any) -> Iterable[str]:
        """What became of it; an AssertionError, or whatever else is raised, is a fault of the product."""
        raise NotImplementedError

    def check_all(self, cases: Sequence[Any]) -> Iterable[str]:
        """The same of a group."""
        return [outcome for case in cases for outcome in self.check(case)]


def no_canary(said: str, of: str, *, values: bool = True) -> None:
    """Nothing that was planted stands in what was said."""
    found = canaries.seen(said, values=values)
    assert found is None, f"{of} shows {found}"


def one_line(said: str, of: str, *, values: bool = True) -> None:
    """What people read of an error: a line, without what was planted, and not endless."""
    no_canary(said, of, values=values)
    assert canaries.on_one_line(said), f"{of} is not one printable line"
    assert 0 < len(said) <= 2_000, f"{of} has {len(said)} characters"
