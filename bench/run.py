"""``make bench``: measures everything, side by side, and prints ratios first, then the targets.

Writes ``bench/results/*.json``, ``bench/results/table.md`` and ``docs/bench.svg``. Exits with 1 where
a contender failed or a check of correctness did; a target that is missed is only said.
"""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rich.console import Console

from bench import chart, machine, sections
from bench.processes import PROJECT
from bench.report import tables
from bench.scale import Scale, chosen
from bench.stage import ROUND_TRIP, Stage
from bench.targets import targets

RESULTS = PROJECT / "bench" / "results"
CHART = PROJECT / "docs" / "bench.svg"


def main() -> None:
    """Measure, print, write."""
    scale = chosen()
    with Stage.up() as stage:
        figures = {"about": machine.profile(stage) | {"quick": scale.is_quick}, **measure(stage, scale)}
    _print(figures)
    _write(figures, scale)
    sys.exit(any(_failures(figures)))


def measure(stage: Stage, scale: Scale) -> dict[str, Any]:
    """The figures of all sections."""
    return {
        "persist": sections.persist(stage, scale, 0),
        "persist_far": sections.persist(stage, scale, ROUND_TRIP),
        "publish": sections.publish(stage, scale),
        "latency": sections.latencies(stage, scale),
        "scaling": sections.scaling(stage, scale),
        "fairness": sections.fairness(stage, scale),
        "growth": sections.growing(stage, scale),
    }


def _print(figures: dict[str, Any]) -> None:
    console = Console(width=None if sys.stdout.isatty() else 150, highlight=False)
    for table in tables(figures):
        console.print(table.rich())
    for target in targets(figures):
        console.print(str(target))


def _write(figures: dict[str, Any], scale: Scale) -> None:
    RESULTS.mkdir(exist_ok=True)
    for name, found in figures.items():
        _write_text(RESULTS / f"{name}.json", json.dumps(found, indent=1))
    parts = [table.markdown() for table in tables(figures)]
    verdicts = [f"- {target}" for target in targets(figures)]
    _write_text(RESULTS / "table.md", "\n".join([*parts, *verdicts]))
    if not scale.is_quick:  # what the README shows is of a full run
        _write_text(CHART, chart.draw(figures))
    else:
        _write_text(RESULTS / "bench.svg", chart.draw(figures))


def _write_text(path: Path, text: str) -> None:
    path.write_text(f"{text}\n", encoding="utf-8")


def _failures(found: Any) -> Iterator[str]:
    """Every reason why a line has no figure."""
    if isinstance(found, dict):
        if failure := found.get("failure"):
            yield failure
        for part in found.values():
            yield from _failures(part)


if __name__ == "__main__":
    main()
