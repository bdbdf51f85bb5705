"""``make chaos``: SEED (default 1) and EVENTS (default 10,000) say which run.

The exit code is 0 where all is as it must be, 1 where something is not, and 3 where nothing is wrong but a
fault did not come about: such a run says nothing of that fault. ``make`` itself shows it as ``Error 3``.
"""

import os
import sys

from rich.console import Console
from rich.progress import track

from tests.chaos.publishers import PublisherStuck
from tests.chaos.report import exit_code, show
from tests.chaos.run import run


def main() -> None:
    """Run once and show the result."""
    seed, events = int(os.environ.get("SEED") or 1), int(os.environ.get("EVENTS") or 10_000)
    err = Console(stderr=True)
    try:
        outcome = run(seed, events, lambda faults: track(faults, "chaos", console=err, transient=True))
    except PublisherStuck as error:
        sys.exit(f"chaos: FAILED seed={seed} events={events} {error}")
    show(outcome, Console())
    sys.exit(exit_code(outcome))


if __name__ == "__main__":
    main()
