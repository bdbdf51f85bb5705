"""``make bench``: measures everything in one run, and prints the ratios and then the targets.

Writes ``bench/results/*.json``, ``bench/results/table.md`` and ``docs/bench.svg``. Exits with 1 if a
contender or a check of the rows failed; a missed target is only reported.
"""

import json
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

from rich.console import Console

from bench import chart, machine, sections
from bench.processes import PROJECT, BenchError
from bench.report import tables
from bench.scale import Scale, chosen
from bench.stage import ROUND_TRIP, Stage
from bench.targets import targets

RESULTS = PROJECT / "bench" / "results"
CHART = PROJECT / "docs" / "bench.svg"


Section = Callable[[Stage, Scale], dict[str, Any]]
SECTIONS: dict[str, Section] = {
    "persist": partial(sections.persist, delay=0),
    "persist_far": partial(sections.persist, delay=ROUND_TRIP),
    "publish": sections.publish,
    "latency": sections.latencies,
    "scaling": sections.scaling,
    "fairness": sections.fairness,
    "growth": sections.growing,
    "tables": sections.large_tables,
}


def main() -> None:
    """Measure, print and write the figures."""
    scale = chosen()
    with Stage.up() as stage:
        figures = {"about": machine.profile(stage) | {"quick": scale.is_quick}, **measure(stage, scale)}
    _print(figures)
    _write(figures, scale)
    sys.exit(any(_failures(figures)))


def measure(stage: Stage, scale: Scale) -> dict[str, Any]:
    """Return the figures of all sections."""
    return {name: _measured(section, stage, scale) for name, section in SECTIONS.items()}


def _measured(section: Section, stage: Stage, scale: Scale) -> dict[str, Any]:
    try:
        return section(stage, scale)
    except BenchError as error:
        return {"failure": f"{type(error).__name__}: {error}"}


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
    if not scale.is_quick:  # the README shows a full run
        _write_text(CHART, chart.draw(figures))
    else:
        _write_text(RESULTS / "bench.svg", chart.draw(figures))


def _write_text(path: Path, text: str) -> None:
    path.write_text(f"{text}\n", encoding="utf-8")


def _failures(found: Any) -> Iterator[str]:
    """Return every reason why a line has no figure."""
    if isinstance(found, dict):
        if failure := found.get("failure"):
            yield failure
        for part in found.values():
            yield from _failures(part)


if __name__ == "__main__":
    main()
