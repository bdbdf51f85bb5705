"""Shows the figures as tables, for a terminal and as Markdown; ratios come first."""

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, NamedTuple

from rich import box
from rich import table as rich_table

from bench import publishing
from bench.contenders import OUR_NAME
from bench.stage import ROUND_TRIP

Figures = dict[str, Any]

_BOX = box.SIMPLE_HEAD
_MOST = 0.5  # share of the processor time; the part with more than this dominates
_IDLE = 0.8  # cores; below this, the run mostly waits


class Table(NamedTuple):
    """A title, a note for the reader, and cells."""

    title: str
    note: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]

    def rich(self) -> rich_table.Table:
        """Return the table for a terminal."""
        made = rich_table.Table(title=self.title, title_justify="left", caption=self.note, box=_BOX)
        made.caption_justify = "left"
        for index, column in enumerate(self.columns):
            made.add_column(column, justify="right" if index else "left", no_wrap=not index)
        for row in self.rows:
            made.add_row(*row)
        return made

    def markdown(self) -> str:
        """Return the table as Markdown."""
        rule = "|".join(["---", *["--:"] * (len(self.columns) - 1)])
        lines = [f"| {' | '.join(row)} |" for row in (self.columns, *self.rows)]
        return "\n".join([f"**{self.title}**. {self.note}", "", lines[0], f"|{rule}|", *lines[1:], ""])


def tables(figures: Figures) -> Iterator[Table]:
    """Return the tables of all sections in order; a failed section shows its reason."""
    for name, make in _SECTIONS.items():
        if failure := figures[name].get("failure"):
            yield Table(name, failure, [""], [])
        else:
            yield from make(figures[name])


def _publishing(figures: Figures) -> Iterator[Table]:
    yield _publish(figures["alone"], "Publish, one at a time")
    yield _publish(figures["together"], f"Publish, {publishing.CLIENTS} at once")


def _persist(figures: Figures, title: str, *, far: bool = False) -> Table:
    lines = figures["lines"]
    ours = lines[OUR_NAME]["rate"]
    rows = [
        [
            name,
            _times(ours / line["rate"]),
            number(line["rate"]),
            " ".join(number(rate) for rate in sorted(line["rounds"])),
            f"{line['events']:,}",
            line["failure"] or dominated(line["cores"], far=far),
        ]
        for name, line in lines.items()
    ]
    note = (
        f"`order_completed`, medians of the rounds. One bare RPC takes {figures['bare_rpc_ms']:.1f} ms. "
        "The last column says what the time goes into, and if that carries over to a real PostgREST."
    )
    columns = ["", "ours is … times as fast", "events/s", "rounds", "events", "dominated by"]
    return Table(title, note, columns, rows)


def dominated(cores: Figures, *, far: bool) -> str:
    """Say what uses most of a run's time, from the processor time of each part."""
    total = sum(cores.values())
    if far and total < _IDLE:
        return "round trips: carries over"
    if cores["gateway"] + cores["postgres"] < total * _MOST:
        return "queue and client: carries over"
    if cores["gateway"] > cores["postgres"]:
        return "local gateway: does not carry over"
    return "RPC: carries over"


def _publish(lines: Figures, title: str) -> Table:
    ours = lines[publishing.OURS]
    rows = [
        [
            name,
            _times(line["p50"] / ours["p50"]),
            _times(line["each"] / ours["each"]),
            *(number(line[of]) for of in ("p50", "p99", "each")),
            line["failure"] or _publish_domination(name),
        ]
        for name, line in lines.items()
    ]
    columns = ["", "× our p50", "× our time", "p50 µs", "p99 µs", "µs an event", "dominated by"]
    return Table(title, "`time` is the time of all events divided by their number.", columns, rows)


def _publish_domination(name: str) -> str:
    if name == publishing.FAR_INLINE:
        return "round trips: carries over"
    if name == publishing.INLINE:
        return "four new HTTP clients: carries over"
    return "Redis and its client: carries over"


def _latency(figures: Figures) -> Table:
    row, rpc, ready = figures["row"], figures["rpc"], figures["ready_ms"]
    rows = [
        ["publish → row", _times(row["p50"] / rpc["p50"]), f"{row['p50']:.1f}", f"{row['p99']:.1f}"],
        ["bare RPC", "1", f"{rpc['p50']:.1f}", f"{rpc['p99']:.1f}"],
        ["worker's start → first row", _times(ready / rpc["p50"]), f"{ready:,.0f}", ""],
    ]
    note = (
        "One event at a time. The difference to a bare RPC is queue and worker, and carries over; "
        "a real PostgREST moves both."
    )
    return Table("Latency at low load", note, ["", "× a bare RPC", "p50 ms", "p99 ms"], rows)


def _scaling(figures: Figures) -> Table:
    one = figures["1"]["median"]
    rows = [
        [f"{name} workers", _times(line["median"] / one), number(line["median"]), line["failure"]]
        for name, line in figures.items()
    ]
    note = "Dominated by this machine's cores, which the servers share: report only."
    return Table("Scaling", note, ["", "× one worker", "events/s", ""], rows)


def _fairness(figures: Figures) -> Table:
    rows = [
        [
            f"at {delay} ms",
            f"{line['median']:.2f}",
            " ".join(f"{took:.2f}" for took in line["rounds"]),
            line["failure"],
        ]
        for delay, line in figures["lines"].items()
    ]
    note = (
        f"Another shop's event behind {figures['waiting']:,} of one shop. "
        "Dominated by the RPC of the batches before it: carries over."
    )
    return Table("Fairness", note, ["", "seconds to its row", "rounds", ""], rows)


def _growth(figures: Figures) -> Table:
    memory = figures["memory"]
    rows = [
        [
            "cost per event, deep by shallow",
            _times(figures["ratio"]),
            f"± {figures['spread']:.0%} between rounds",
        ],
        [
            f"worker's memory, all by a tenth of {memory['events']:,} events",
            _times(memory["late"] / memory["early"]),
            f"{memory['early']:.0f} → {memory['late']:.0f} MiB",
        ],
        [
            "Redis per waiting event",
            f"{figures['redis_bytes']:,.0f} B",
            f"over {figures['redis_events']:,} events",
        ],
    ]
    note = (
        f"The first 10,000 events with {figures['deep_waiting']:,} waiting against 10,000; on fresh tables. "
        "Dominated by queue and worker: carries over."
    )
    return Table("Growth", note, ["", "", ""], rows)


def large_tables(figures: Figures) -> Table:
    """Return the table of the section on large tables."""
    rows = [
        [
            name,
            _times(phase["ratio"]),
            _times(phase["processor_ratio"]),
            f"{phase['large_ms']:.1f}",
            f"{phase['empty_ms']:.1f}",
            f"{phase['batches']:,}",
        ]
        for name, phase in (
            ("after a checkpoint", figures["first"]),
            ("later", figures["later"]),
            ("with a key: random ids", figures["keyed"]),
        )
    ]
    note = (
        f"A batch of 500 orders of {figures['shops']:,} shops, on {figures['rows']:,} rows in each table "
        f"({figures['bytes'] / 2**30:.1f} GiB; PostgreSQL's cache: {figures['cache']}) against empty tables. "
        "Dominated by PostgreSQL: carries over."
    )
    columns = ["", "× empty", "× processor time", "large, ms", "empty, ms", "batches"]
    return Table("Large tables", note, columns, rows)


def _times(ratio: float) -> str:
    if math.isnan(ratio):
        return "–"
    return f"{ratio:,.0f}" if ratio >= 10 else f"{ratio:.2f}"  # noqa: PLR2004 # three digits are enough


def number(value: float) -> str:
    """Format a number with three significant digits or more."""
    if math.isnan(value):
        return "–"
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}"  # noqa: PLR2004 # the same


_SECTIONS: dict[str, Callable[[Figures], Iterable[Table]]] = {
    "persist": lambda found: [_persist(found, "Persist, next to the gateway")],
    "persist_far": lambda found: [_persist(found, f"Persist, {ROUND_TRIP} ms from the gateway", far=True)],
    "publish": _publishing,
    "latency": lambda found: [_latency(found)],
    "scaling": lambda found: [_scaling(found)],
    "fairness": lambda found: [_fairness(found)],
    "growth": lambda found: [_growth(found)],
    "tables": lambda found: [large_tables(found)],
}
