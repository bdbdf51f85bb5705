"""The section on large tables: its size, its figures and its target."""

import pytest

from bench.report import large_tables
from bench.scale import QUICK, Scale, chosen
from bench.tables import Phase
from bench.targets import targets
from bench.volume import Cost

PHASE = Phase([Cost(30, 10), Cost(110, 0), Cost(20, 20)], [Cost(20, 10), Cost(90, 0), Cost(10, 10)])


@pytest.mark.parametrize(
    ("quick", "rows", "expected", "is_quick"),
    [
        ("", "", Scale().rows, False),
        ("0", "", Scale().rows, False),
        ("1", "", QUICK.rows, True),
        ("1", "77", 77, True),
        ("", "77", 77, False),
    ],
)
def test_rows(quick: str, rows: str, expected: int, is_quick: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """The environment chooses the number of rows; a quick run stays quick with another number."""
    monkeypatch.setenv("QUICK", quick)
    monkeypatch.setenv("BENCH_ROWS", rows)
    assert (chosen().rows, chosen().is_quick) == (expected, is_quick)


def test_figures_of_a_phase() -> None:
    """The elapsed time is the median: one slow batch does not decide. The processor time is a sum."""
    figures = PHASE.figures()
    assert (figures["large_ms"], figures["empty_ms"], figures["ratio"]) == (30, 20, 1.5)
    assert figures["processor_ratio"] == 1.5
    assert figures["batches"] == 3


@pytest.mark.parametrize(("large", "verdict"), [(12.0, "met"), (12.1, "missed")])
def test_target(large: float, verdict: str) -> None:
    """The target is about the batches that come some time after a checkpoint."""
    phase = Phase([Cost(large, 1)], [Cost(10, 1)]).figures()
    figures = {
        "rows": 10,
        "shops": 2,
        "bytes": 2**30,
        "cache": "128MB",
        "first": PHASE.figures(),
        "later": phase,
    }
    others = ("persist", "persist_far", "publish", "latency", "fairness", "growth")
    *_, target = targets({**{name: {"failure": "not measured"} for name in others}, "tables": figures})
    assert str(target).endswith(verdict)
    shown = large_tables(figures | {"keyed": PHASE.figures()})
    assert [row[1] for row in shown.rows] == ["1.50", f"{large / 10:.2f}", "1.50"]
