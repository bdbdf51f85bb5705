"""A run of many cases, each made by the run's seed and its own number alone."""

import resource
import time
import traceback
from collections import Counter
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from tests.fuzz.dice import Dice
from tests.fuzz.target import Target

WHEEL = 1_000
"""After so many numbers the targets come again in the same order."""
SLOWEST = 5.0
"""Seconds of the processor that one case may take."""
LARGEST = 1_000_000
"""Kilobytes of memory that the process may ever have."""
_LONGEST = 4_000  # characters of a case that are shown
_ENOUGH = 20  # faults of one target after which it is asked no more


class Fault(NamedTuple):
    """A case at which the product failed."""

    number: int
    target: str
    words: str
    case: str


@dataclass
class Outcome:
    """What became of a run."""

    cases: Counter[str] = field(default_factory=Counter)
    """By target."""
    seen: dict[str, Counter[str]] = field(default_factory=dict)
    """What became of them, by target."""
    seconds: Counter[str] = field(default_factory=Counter)
    faults: list[Fault] = field(default_factory=list)
    memory: int = 0
    """Kilobytes, at most."""

    @property
    def unseen(self) -> dict[str, list[str]]:
        """What never came about, by target."""
        return {name: missing for name, seen in self.seen.items() if (missing := [k for k, n in seen.items() if not n])}


class Run:
    """Goes through numbers, and gives each to the target whose turn it is."""

    def __init__(self, seed: int, targets: Sequence[Target]) -> None:
        self._seed = seed
        self._wheel = wheel(targets)
        self._waiting: dict[Target, list[tuple[int, Any]]] = {target: [] for target in targets}
        self._opened: set[Target] = set()
        self.outcome = Outcome(seen={each.name: Counter(dict.fromkeys(each.outcomes, 0)) for each in targets})

    def go(self, numbers: Iterable[int]) -> Outcome:
        """The cases of these numbers."""
        with ExitStack() as self._stack:
            for number in numbers:
                self._take(number, self._wheel[number % WHEEL])
            for target in self._waiting:
                self._check(target)
        self.outcome.memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return self.outcome

    def _take(self, number: int, target: Target | None) -> None:
        if target is None or self._faults_of(target) >= _ENOUGH:
            return
        if target not in self._opened:
            self._opened.add(target)
            target.open(self._stack)
        self._waiting[target].append((number, target.make(self.dice(number, target))))
        if len(self._waiting[target]) >= target.group:
            self._check(target)

    def dice(self, number: int, target: Target) -> Dice:
        """Those of one case."""
        return Dice(f"{self._seed}/{number}/{target.name}")

    def _check(self, target: Target) -> None:
        waiting, self._waiting[target] = self._waiting[target], []
        words = self._checked(target, [case for _, case in waiting])
        if words and len(waiting) > 1:
            # Which of them it is; none, where only the company of the others brings it about.
            alone = [(each, said) for each in waiting if (said := self._checked(target, [each[1]]))]
            for (number, case), said in alone or [((waiting[0][0], waiting), f"{words} (all of these together)")]:
                self.outcome.faults.append(Fault(number, target.name, said, _shown(case)))
        elif words:
            self.outcome.faults.append(Fault(waiting[0][0], target.name, words, _shown(waiting[0][1])))

    def _checked(self, target: Target, cases: Sequence[Any]) -> str:
        """What is wrong, or nothing."""
        if not cases:
            return ""
        begun, busy = time.monotonic(), time.process_time()
        try:
            self.outcome.seen[target.name].update(target.check_all(cases))
        except Exception as error:  # noqa: BLE001 # whatever comes out of the product is what is looked for
            return f"{type(error).__name__}: {error} ({_place(error)})"
        finally:
            self.outcome.cases[target.name] += len(cases)
            self.outcome.seconds[target.name] += time.monotonic() - begun
        took = time.process_time() - busy
        return f"it takes {took:.1f} s" if took > SLOWEST * len(cases) else ""

    def _faults_of(self, target: Target) -> int:
        return sum(fault.target == target.name for fault in self.outcome.faults)


def wheel(targets: Sequence[Target]) -> list[Target | None]:
    """Whose turn each number is: by their shares, mixed, and the same for everyone."""
    turns: list[Target | None] = [target for target in targets for _ in range(target.share)]
    turns += [None] * (WHEEL - len(turns))
    Dice("the wheel").shuffle(turns)
    return turns


def _shown(case: Any) -> str:
    """Enough of it to know it by; a value of a case's may have no text at all."""
    try:
        return repr(case)[:_LONGEST]
    except Exception as error:  # noqa: BLE001 # its own methods may raise anything
        return f"a {type(case).__name__} that cannot be shown ({type(error).__name__})"


def _place(error: BaseException) -> str:
    frames = traceback.extract_tb(error.__traceback__)[-6:]
    return " > ".join(f"{frame.filename.rpartition('/')[2]}:{frame.lineno} {frame.name}" for frame in frames)
