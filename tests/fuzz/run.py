"""Runs many cases. Each case depends only on the seed of the run and its own number."""

import re
import resource
import time
import traceback
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from tests.fuzz.dice import Dice
from tests.fuzz.target import Target

WHEEL = 1_000
"""Number of cases after which the order of the targets repeats."""
SLOWEST = 5.0
"""Maximum processor time of one case, in seconds."""
LARGEST = 1_000_000
"""Maximum memory of the process, in kilobytes."""
_LONGEST = 4_000  # characters of a case that are shown
_ENOUGH = 20  # faults of one target after which the target is skipped


class Fault(NamedTuple):
    """A fault of the product."""

    numbers: Sequence[int]
    """The number of the case, or several numbers if only these cases together cause the fault."""
    target: str
    words: str
    case: str


@dataclass
class Outcome:
    """The result of a run."""

    cases: Counter[str] = field(default_factory=Counter)
    """The number of cases, by target."""
    seen: dict[str, Counter[str]] = field(default_factory=dict)
    """How often each outcome occurred, by target."""
    seconds: defaultdict[str, float] = field(default_factory=lambda: defaultdict(float))
    """The duration of the cases, by target."""
    faults: list[Fault] = field(default_factory=list)
    memory: int = 0
    """The maximum memory, in kilobytes."""

    @property
    def unseen(self) -> dict[str, list[str]]:
        """The outcomes that never occurred, by target."""
        return {
            name: words
            for name, seen in self.seen.items()
            if (words := [word for word, times in seen.items() if not times])
        }


class Run:
    """Runs the case of each number with the target of that number."""

    def __init__(self, seed: int, targets: Sequence[Target]) -> None:
        self._seed = seed
        self._wheel = wheel(targets)
        self._waiting: dict[Target, list[tuple[int, Any]]] = {target: [] for target in targets}
        self._opened: set[Target] = set()
        self.outcome = Outcome(seen={each.name: Counter(dict.fromkeys(each.outcomes, 0)) for each in targets})

    def go(self, numbers: Iterable[int], only: str | None = None) -> Outcome:
        """Run the cases with these numbers; with ``only``, those of that target."""
        with ExitStack() as self._stack:
            for number in numbers:
                target = self._wheel[number % WHEEL]
                if only in {None, target.name} and self._faults_of(target) < _ENOUGH:
                    self._take(number, target)
            for target in self._waiting:
                self._check(target)
        self.outcome.memory = _most_memory()
        return self.outcome

    def case(self, number: int) -> Any:
        """Create the case with this number."""
        target = self._wheel[number % WHEEL]
        return target.make(Dice(f"{self._seed}/{number}/{target.name}"))

    def _take(self, number: int, target: Target) -> None:
        if target not in self._opened:
            self._opened.add(target)
            target.open(self._stack)
        self._waiting[target].append((number, self.case(number)))
        if len(self._waiting[target]) >= target.group:
            self._check(target)

    def _check(self, target: Target) -> None:
        waiting, self._waiting[target] = self._waiting[target], []
        words = self._checked(target, waiting)
        if not words:
            return
        alone = [[one] for one in waiting if self._checked(target, [one])] or [waiting]
        for cases in alone:
            problem = self._checked(target, cases) or words
            numbers = [number for number, _ in cases]
            self.outcome.faults.append(
                Fault(numbers, target.name, problem, _shown([case for _, case in cases]))
            )

    def _checked(self, target: Target, waiting: Sequence[tuple[int, Any]]) -> str:
        """Check the cases and return what is wrong, or an empty text."""
        if not waiting:
            return ""
        begun, busy = time.monotonic(), time.process_time()
        try:
            with ExitStack() as stack:
                target.enter(stack)
                self.outcome.seen[target.name].update(target.check_all([case for _, case in waiting]))
        except Exception as error:  # noqa: BLE001 # every exception of the product is a fault
            return f"{type(error).__name__}: {error} ({_place(error)})"
        finally:
            self.outcome.cases[target.name] += len(waiting)
            self.outcome.seconds[target.name] += time.monotonic() - begun
        took = time.process_time() - busy
        return f"it took {took:.1f} s of processor time" if took > SLOWEST * len(waiting) else ""

    def _faults_of(self, target: Target) -> int:
        return sum(fault.target == target.name for fault in self.outcome.faults)


def wheel(targets: Sequence[Target]) -> list[Target]:
    """Return the target of each number, shuffled, in proportion to the shares."""
    turns = [target for target in targets for _ in range(target.share)]
    Dice("the wheel").shuffle(turns)
    return turns * (WHEEL // len(turns))


def _shown(cases: Sequence[Any]) -> str:
    """Return the cases as text, cut. The repr of a value may raise."""
    try:
        return repr(cases[0] if len(cases) == 1 else cases)[:_LONGEST]
    except Exception as error:  # noqa: BLE001 # the methods of a value may raise anything
        return f"a {type(cases[0]).__name__} that cannot be shown ({type(error).__name__})"


def _most_memory() -> int:
    """Return the most kilobytes that this process has had."""
    try:
        status = Path("/proc/self/status").read_text()
    except OSError:  # not Linux
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    # Linux counts the process that started this one in ru_maxrss.
    return int(re.findall(r"VmHWM:\s+(\d+) kB", status)[0])


def _place(error: BaseException) -> str:
    frames = traceback.extract_tb(error.__traceback__)[-6:]
    return " > ".join(f"{frame.filename.rpartition('/')[2]}:{frame.lineno} {frame.name}" for frame in frames)
