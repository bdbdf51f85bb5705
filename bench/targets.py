"""The targets, as ratios of one run, and whether they were met."""

import math
import operator
import statistics
from collections.abc import Iterator
from typing import Any, NamedTuple

from bench import publishing
from bench.contenders import BARE_LOOP, ONE_BY_ONE, OUR_NAME, PEER_NAMES, SIMPLE, STOCK
from bench.stage import ROUND_TRIP

Figures = dict[str, Any]

_SIGNS = {"≥": operator.ge, "≤": operator.le}


class Target(NamedTuple):
    """A figure and its bound."""

    what: str
    sign: str
    bound: float
    found: float
    unit: str = "×"

    @property
    def met(self) -> bool:
        """Whether the target was met; a target without a figure was not."""
        return bool(_SIGNS[self.sign](self.found, self.bound))

    def __str__(self) -> str:
        verdict = "met" if self.met else "missed"
        found = "no figure" if math.isnan(self.found) else f"{self.found:,.2f} {self.unit}"
        return f"target: {self.what} {self.sign} {self.bound:,.5g} {self.unit}: {found}: {verdict}"


def targets(figures: Figures) -> Iterator[Target]:
    """Return all targets with their figures."""
    sections = {
        "persist": _persist,
        "persist_far": _far,
        "publish": _publish,
        "latency": _latency,
        "fairness": _fairness,
        "growth": _growth,
        "tables": _tables,
    }
    for name, judge in sections.items():
        if "failure" in figures[name]:
            yield Target(f"all of {name}", "≥", 0, math.nan)
        else:
            yield from judge(figures[name])


def _persist(figures: Figures) -> Iterator[Target]:
    lines = figures["lines"]
    ours = lines[OUR_NAME]["rate"]
    yield Target("persist, to stock Worker", "≥", 100, ours / lines[STOCK]["rate"])
    yield Target("persist, to SimpleWorker", "≥", 30, ours / lines[SIMPLE]["rate"])
    yield Target("persist, to the best peer at its best", "≥", 10, ours / _best(lines))
    yield Target("persist, to the bare loop", "≥", 0.5, ours / lines[BARE_LOOP]["rate"])


def _far(figures: Figures) -> Iterator[Target]:
    lines = figures["lines"]
    ours = lines[OUR_NAME]["rate"]
    at = f"persist at {ROUND_TRIP} ms"
    yield Target(f"{at}, to one event at a time", "≥", 200, ours / lines[ONE_BY_ONE]["rate"])
    yield Target(f"{at}, to the median peer at its default", "≥", 25, ours / _median_default(lines))
    yield Target(f"{at}, to the best peer at its best", "≥", 5, ours / _best(lines))


def _publish(figures: Figures) -> Iterator[Target]:
    lines = figures["alone"]
    ours, p50 = publishing.OURS, "p50"
    raw, stock = lines[publishing.RAW][p50], lines[publishing.ENQUEUE][p50]
    yield Target("publish, to a raw MULTI (p50)", "≤", 1.5, lines[ours][p50] / raw)
    yield Target("publish, queue.enqueue to ours (p50)", "≥", 2.5, stock / lines[ours][p50])
    inline = lines[publishing.INLINE][p50]
    yield Target("publish, the inline way to ours (p50)", "≥", 300, inline / lines[ours][p50])


def _latency(figures: Figures) -> Iterator[Target]:
    yield Target("publish → row, to a bare RPC (p50)", "≤", 3, figures["row"]["p50"] / figures["rpc"]["p50"])
    yield Target("worker's start → first row", "≤", 1.5, figures["ready_ms"] / 1e3, "s")


def _fairness(figures: Figures) -> Iterator[Target]:
    for delay, line in figures["lines"].items():
        yield Target(
            f"another shop's row behind {figures['waiting']:,} at {delay} ms", "≤", 5, line["median"], "s"
        )


def _growth(figures: Figures) -> Iterator[Target]:
    memory = figures["memory"]
    what = f"cost per event with {figures['deep_waiting']:,} waiting, to 10,000"
    yield Target(what, "≤", 1.1 + figures["spread"], figures["ratio"])
    what = f"worker's memory over {memory['events']:,} events"
    yield Target(what, "≤", 1.1, memory["late"] / memory["early"])
    yield Target("Redis per waiting event", "≤", 1_000, figures["redis_bytes"], "B")


def _tables(figures: Figures) -> Iterator[Target]:
    what = f"cost of a batch on {figures['rows']:,} rows and {figures['shops']:,} shops, to empty tables"
    yield Target(what, "≤", 1.2, figures["later"]["ratio"])


def _best(lines: Figures) -> float:
    """Return the highest rate of all peers, at their default or their best; nan if one failed."""
    return _all(lines, [f"{peer}, {how}" for peer in PEER_NAMES for how in ("default", "best")], max)


def _median_default(lines: Figures) -> float:
    return _all(lines, [f"{peer}, default" for peer in PEER_NAMES], statistics.median)


def _all(lines: Figures, names: list[str], of: Any) -> float:
    rates = [lines[name]["rate"] for name in names]
    return math.nan if any(map(math.isnan, rates)) else float(of(rates))
