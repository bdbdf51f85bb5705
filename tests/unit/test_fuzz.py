"""The fuzz test: its short run, and that it finds faults and names their cases."""

import gc
import io
import warnings
from collections.abc import Iterable, Sequence
from contextlib import ExitStack

import pytest
from rich.console import Console

from tests.fuzz import canaries
from tests.fuzz.catalogue import targets
from tests.fuzz.dice import Dice
from tests.fuzz.report import complaints, is_bad, show
from tests.fuzz.run import WHEEL, Run, wheel
from tests.fuzz.target import Target

SHORT = {  # how many numbers: some two hundred cases of a target, and fewer of a slow one
    **{"lines": 400, "decode": 400, "calls": 1_000, "reconciling": 1_000, "answers": 1_000, "bodies": 1_000},
    **{"batches": 500, "outboxes": 500, "environments": 500},
}


@pytest.mark.parametrize("name", SHORT)
def test_a_short_run(name: str) -> None:
    """Nothing is wrong in the first cases of the targets that need no server."""
    assert Run(1, targets()).go(range(SHORT[name]), name).faults == []


@pytest.mark.slow
def test_a_short_run_of_what_people_type() -> None:
    """A hundred cases end as they are documented to, without a traceback."""
    with warnings.catch_warnings():  # click leaves a file open that stands before a word which it refuses
        warnings.simplefilter("ignore", ResourceWarning)
        faults = Run(1, targets()).go(range(20_000), "arguments").faults
        gc.collect()
    assert faults == []


class Odd(Target):
    """A target that fails for some odd values, in three ways."""

    name, share, group = "odd", 600, 5
    outcomes = frozenset({"even", "never"})

    def open(self, stack: ExitStack) -> None:
        """Do nothing."""

    def make(self, dice: Dice) -> int:
        """A number."""
        return dice.randrange(100)

    def check_all(self, cases: Sequence[int]) -> Iterable[str]:
        """Refuse one."""
        assert 7 not in cases, "seven"
        if 8 in cases:
            raise KeyError(canaries.PHONE)
        assert not ({2, 3} <= {*cases}), "two with three"
        return ["even"] * len(cases)


class Rest(Target):
    """A target that never fails."""

    name, share = "rest", 400
    outcomes = frozenset({"fine"})

    def make(self, dice: Dice) -> float:
        """A number."""
        return dice.random()

    def check(self, case: float) -> Iterable[str]:
        """Take it."""
        return ["fine"]


def test_a_fault_is_named_by_the_number_that_makes_it_again() -> None:
    """The number alone gives the same case and the same fault, also for a case of a group."""
    found = [fault for fault in Run(3, [Odd(), Rest()]).go(range(600)).faults if len(fault.numbers) == 1]
    kinds = {fault.words.partition(": ")[0] for fault in found}
    assert kinds == {"AssertionError", "KeyError"}
    for fault in found:
        again = Run(3, [Odd(), Rest()]).go(fault.numbers)
        assert [each.case for each in again.faults] == [fault.case]


def test_a_fault_of_several_together_names_them_all() -> None:
    """If only several cases together cause a fault, it has all their numbers."""
    faults = [fault for seed in range(9) for fault in Run(seed, [Odd(), Rest()]).go(range(600)).faults]
    together = next(fault for fault in faults if len(fault.numbers) > 1)
    assert "two with three" in together.words
    assert len(together.numbers) == Odd.group


def test_a_target_that_fails_always_ends_no_run() -> None:
    """A target with too many faults is skipped, and the others continue."""
    target = Odd()
    target.check_all = lambda cases: 1 / 0  # type: ignore[assignment,method-assign,return-value] # a bug in it
    outcome = Run(1, [target, Rest()]).go(range(2_000))
    assert outcome.cases["rest"] == 800
    assert 0 < len(outcome.faults) < 50


def test_what_is_shown_of_a_run() -> None:
    """The report has the outcomes, a command for each fault and missing outcomes, but no control code."""
    outcome = Run(3, [Odd(), Rest()]).go(range(600))
    shown = io.StringIO()
    show(outcome, 3, Console(file=shown, width=200))
    assert f"make fuzz SEED=3 CASE={outcome.faults[0].numbers[0]}" in shown.getvalue()
    assert "fuzz: FAILED seed=3" in shown.getvalue()
    assert is_bad(outcome)
    outcome.faults.clear()
    outcome.memory = 0  # that of the whole run of the tests is no target's
    assert not is_bad(outcome)
    outcome.cases["rest"] = 100_000
    assert [*complaints(outcome)] == ["odd: no case had the outcome: never"]
    outcome.memory = 10**7
    assert "of memory" in next(complaints(outcome))


def test_the_turns_are_as_the_shares_say() -> None:
    """The shares fill the wheel, so each number always has the same target."""
    made = targets()
    assert sum(target.share for target in made) == WHEEL == len(wheel(made))
    assert [target.name for target in wheel(made)] == [target.name for target in wheel(targets())]


def test_a_case_is_made_by_its_seed_and_number_alone() -> None:
    """Earlier cases do not matter; another seed gives other cases."""
    turns = wheel(targets())
    numbers = [number for number in range(400) if turns[number].name in {"lines", "bodies", "workers"}]
    run, again, other = Run(5, targets()), Run(5, targets()), Run(6, targets())
    first = [run.case(number) for number in numbers]
    assert [again.case(number) for number in numbers[::-1]] == first[::-1]
    assert [other.case(number) for number in numbers] != first


@pytest.mark.parametrize(
    ("said", "found"),
    [
        (f"x{canaries.PHONE}", "the phone number"),
        ("07 59 48 37 26", "the phone number"),
        (f"https://u:{canaries.PASSWORD}@h", "the secret"),
        (canaries.VALUE, "a value"),
        ("Awa", None),
    ],
)
def test_what_is_planted_is_seen(said: str, found: str | None) -> None:
    """A phone number in any notation, a part of a secret and a value are found."""
    assert canaries.seen(said) == found
