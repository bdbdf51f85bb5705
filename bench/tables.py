"""Measures what a batch costs on large tables, against empty ones: ``python -m bench.tables`` does only this.

The two databases persist the same batch in turn, so that a change of load affects both. A batch has one
order of each of 500 shops, chosen at random: each goes to another page of the indexes by shop.

PostgreSQL logs a page whole when it is first written after a checkpoint. So the batches after a checkpoint
cost more on large tables, until most pages have been written once. Both phases are measured, and one of
events with a key of the caller's, whose ids are random.
"""

import random
import statistics
from itertools import chain
from typing import Any, NamedTuple

from rich.console import Console

from bench import report, scale
from bench.stage import Stage
from bench.volume import Cost, Volume

SHOPS = 20_000
_BATCH = 500
_ROUND = SHOPS // _BATCH  # batches after which most shops had an order


class Phase(NamedTuple):
    """The costs of the batches of one phase."""

    large: list[Cost]
    empty: list[Cost]

    def figures(self) -> dict[str, Any]:
        """Return the cost of a batch in both databases, and the ratios."""
        large, empty = (statistics.median(cost.elapsed for cost in costs) for costs in self)
        # The system counts the processor time in steps of 10 ms, so only its sum is exact.
        large_busy, empty_busy = (sum(cost.processor for cost in costs) for costs in self)
        return {
            "batches": len(self.large),
            "large_ms": large,
            "empty_ms": empty,
            "ratio": large / empty,
            "processor_ratio": large_busy / empty_busy,
        }


def measure(stage: Stage, rows: int, rounds: int) -> dict[str, Any]:
    """Return the figures of all phases, with ``rows`` rows in each large table."""
    with Volume.up(stage, "bench_large", SHOPS) as large, Volume.up(stage, "bench_empty", SHOPS) as empty:
        large.fill(rows)
        about = {"rows": rows, "shops": SHOPS, "bytes": large.bytes(), "cache": large.cache()}
        return about | compare(large, empty, rounds)


def compare(large: Volume, empty: Volume, rounds: int) -> dict[str, Any]:
    """Persist batches in turn, and return the figures of all phases."""
    large.database.execute("checkpoint")
    first, *others = [_round(large, empty) for _ in range(1 + rounds)]
    later = Phase(*(list(chain.from_iterable(costs)) for costs in zip(*others, strict=True)))
    keyed = _round(large, empty, keyed=True)
    return {"first": first.figures(), "later": later.figures(), "keyed": keyed.figures()}


def _round(large: Volume, empty: Volume, *, keyed: bool = False) -> Phase:
    empty.empty()
    phase = Phase([], [])
    for _ in range(_ROUND):
        shops = random.sample(range(SHOPS), _BATCH)
        phase.large.append(large.persist(shops, keyed=keyed))
        phase.empty.append(empty.persist(shops, keyed=keyed))
    return phase


def main() -> None:
    """Print the table. ``BENCH_ROWS`` sets the number of rows."""
    size = scale.chosen()
    with Stage.up() as stage:
        figures = measure(stage, size.rows, size.rounds)
    Console(width=150, highlight=False).print(report.large_tables(figures).rich())


if __name__ == "__main__":
    main()
