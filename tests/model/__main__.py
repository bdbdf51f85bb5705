"""``make model``: STEPS (default 1,000,000) and SEED (default 1) choose the steps.

REDIS is ``fakeredis`` (the default) or ``valkey``. JOBS is the number of processes (default: one per core).
Interrupt it (Ctrl-C, or SIGTERM to this process) to end it early; it then says how many steps it has made.
It shows its progress in a terminal, and otherwise prints a line about once a minute.

The exit code is 1 if a step fails; the steps that lead to it are shown, shortened.
"""

import os
import signal
import sys
import time

from rich.console import Console
from rich.progress import Progress

from tests.model.run import LENGTH, Outcome, explore_in_parts, stop

_PAUSE = 60.0  # seconds between two lines of progress


def main() -> None:
    """Explore."""
    steps, first = int(os.environ.get("STEPS") or 1_000_000), int(os.environ.get("SEED") or 1)
    redis, jobs = os.environ.get("REDIS") or "fakeredis", int(os.environ.get("JOBS") or os.cpu_count() or 1)
    out = Console(width=None if sys.stdout.isatty() else 150)
    for each in (signal.SIGINT, signal.SIGTERM):
        signal.signal(each, stop)
    start, made, failed = time.monotonic(), 0, Outcome()
    said = start
    with Progress(console=out, transient=True, disable=not out.is_terminal) as progress:
        task = progress.add_task("steps", total=steps)
        for outcome in explore_in_parts(redis, steps, first, jobs):
            made += outcome.steps
            failed = outcome if outcome.fault else failed
            progress.update(task, completed=made)
            if not out.is_terminal and time.monotonic() - said > _PAUSE:
                said = time.monotonic()
                _say(out, made, said - start)
    _say(out, made, time.monotonic() - start)
    if failed.fault:
        again = f"again: make model SEED={failed.seed} STEPS={LENGTH} REDIS={redis}"
        out.print(f"{failed.fault}\n{again}", markup=False, highlight=False)
        sys.exit(1)


def _say(out: Console, steps: int, seconds: float) -> None:
    out.print(f"{steps:,} steps in {seconds:.0f} s, {steps / seconds:,.0f} a second", highlight=False)


if __name__ == "__main__":
    main()
