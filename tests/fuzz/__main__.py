"""``make fuzz``: SEED (default 1) and CASES (default 1,000,000) choose the cases.

CASE is the number of a case, or several numbers with commas: only these cases are run. TARGET limits the run
to the cases of one target. The exit code is 1 if there is a fault.
"""

import os
import sys

from rich.console import Console
from rich.progress import track

from tests.fuzz.catalogue import targets
from tests.fuzz.report import is_bad, show
from tests.fuzz.run import Run


def main() -> None:
    """Run the cases and show the result."""
    seed, alone = int(os.environ.get("SEED") or 1), os.environ.get("CASE")
    numbers = range(int(os.environ.get("CASES") or 1_000_000))
    chosen = [int(number) for number in alone.split(",")] if alone else numbers
    err = Console(stderr=True)
    cases = track(chosen, "fuzz", console=err, transient=True, disable=not err.is_terminal)
    outcome = Run(seed, targets()).go(cases, os.environ.get("TARGET") or None)
    show(outcome, seed, Console(width=None if sys.stdout.isatty() else 150))
    sys.exit(is_bad(outcome))


if __name__ == "__main__":
    main()
