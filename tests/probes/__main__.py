"""``make probes``: at least 10,000 of them, aimed as the contract suite is, by default at the local stack."""

import argparse
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from devstack.stack import Stack
from tests.contract.conftest import aimed, given
from tests.probes.run import Report, run

_SHOWN = 20  # faults


def main() -> int:
    """Run the probes, and print who asked what."""
    parser = argparse.ArgumentParser(prog="make probes")
    parser.add_argument("--probes", type=int, default=int(os.environ.get("PROBES") or 10_000))
    parser.add_argument("--seed", type=int, default=int(os.environ.get("SEED") or time.time_ns() % 1_000_000))
    wanted = parser.parse_args()
    began = time.monotonic()
    with _environment() as environment, aimed(environment) as target:
        report = run(target, probes=wanted.probes, seed=wanted.seed)
    sys.stdout.write(f"{told(report)}\nin {time.monotonic() - began:.0f} s\n")
    return 1 if report.faults else 0


def told(report: Report) -> str:
    """The result: counts per kind and standing, per person, and what failed."""
    kinds = sorted({kind for kind, _ in report.asked})
    standings = ("stranger", "nobody", "intruder", "anon", "authenticated")
    lines = [f"{'kind':<22}" + "".join(f"{name:>14}" for name in (*standings, "controls"))]
    for kind in kinds:
        figures = [report.asked[kind, standing] for standing in standings] + [report.controls[kind]]
        lines.append(f"{kind:<22}" + "".join(f"{figure or '-':>14}" for figure in figures))
    lines += ["", "by person:"]
    lines += [
        f"  {standing:<14}{name:<30}{count:>6}" for (standing, name), count in sorted(report.persons.items())
    ]
    if report.left_out:
        lines += ["", f"not asked, for the target does not speak it: {', '.join(report.left_out)}"]
    lines += ["", *report.faults[:_SHOWN]]
    lines.append(
        f"probes: {report.total} asked, {report.controls.total()} requests with their control, "
        f"{len(report.faults)} failed; SEED={report.seed}"
    )
    return "\n".join(lines)


@contextmanager
def _environment() -> Iterator[dict[str, str]]:
    if environment := given():
        yield environment
        return
    with Stack() as stack:
        yield stack.environment


if __name__ == "__main__":
    sys.exit(main())
