"""``make model``: STEPS (default 1,000,000) and SEED (default 1) choose the steps.

REDIS is ``valkey`` (the default, and the faster) or ``fakeredis``.

The exit code is 1 if a step fails; the steps that lead to it are shown, shortened.
"""

import os
import sys

from rich.console import Console

from tests.model.run import explore
from tests.model.server import serving


def main() -> None:
    """Explore."""
    steps, first = int(os.environ.get("STEPS") or 1_000_000), int(os.environ.get("SEED") or 1)
    with serving(os.environ.get("REDIS") or "valkey") as server:
        outcome = explore(server, steps, first, shrink=True)
    out = Console(width=None if sys.stdout.isatty() else 150)
    pace = outcome.steps / outcome.seconds
    out.print(f"{outcome.steps:,} steps in {outcome.seconds:.0f} s, {pace:,.0f} a second", highlight=False)
    if outcome.fault:
        out.print(f"{outcome.fault}\nagain: make model SEED={outcome.seed}", markup=False, highlight=False)
        sys.exit(1)


if __name__ == "__main__":
    main()
