"""``make model``: STEPS (default 1,000,000) and SEED (default 1) choose the steps.

REDIS is ``fakeredis`` (the default) or ``valkey``. JOBS is the number of processes (default: one per core).
Interrupt it to end it early.

The exit code is 1 if a step fails; the steps that lead to it are shown, shortened.
"""

import os
import sys
import time
from contextlib import suppress

from rich.console import Console
from rich.progress import Progress

from tests.model.run import LENGTH, Outcome, explore_in_parts


def main() -> None:
    """Explore."""
    steps, first = int(os.environ.get("STEPS") or 1_000_000), int(os.environ.get("SEED") or 1)
    redis, jobs = os.environ.get("REDIS") or "fakeredis", int(os.environ.get("JOBS") or os.cpu_count() or 1)
    out = Console(width=None if sys.stdout.isatty() else 150)
    start, made, outcome = time.monotonic(), 0, Outcome()
    with Progress(console=out, transient=True) as progress, suppress(KeyboardInterrupt):
        task = progress.add_task("steps", total=steps)
        for outcome in explore_in_parts(redis, steps, first, jobs):
            made += outcome.steps
            progress.update(task, completed=made)
    seconds = time.monotonic() - start
    out.print(f"{made:,} steps in {seconds:.0f} s, {made / seconds:,.0f} a second", highlight=False)
    if outcome.fault:
        again = f"again: make model SEED={outcome.seed} STEPS={LENGTH} REDIS={redis}"
        out.print(f"{outcome.fault}\n{again}", markup=False, highlight=False)
        sys.exit(1)


if __name__ == "__main__":
    main()
