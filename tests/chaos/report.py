"""What a run has shown, for people and, in its last line, for scripts."""

from collections import Counter
from collections.abc import Iterator
from itertools import islice

from rich.console import Console
from rich.table import Table

from tests.chaos.run import Outcome
from tests.chaos.schedule import Kind, schedule

RERUN_LIMIT = 15.0
"""Seconds from a kill to the re-run."""
STOP_LIMIT = 10.0
"""Seconds from SIGTERM to the exit."""
FAILED, INCOMPLETE = 1, 3
"""Exit codes: something is not as it must be; a fault did not come about (2 is argparse's and make's)."""

_SHOWN = 5  # ids of each kind of trouble


def troubles(outcome: Outcome) -> list[str]:
    """Everything that is not as it must be, a line each."""
    return [*_wrong_rows(outcome), *_wrong_times(outcome), *_wrong_run(outcome)]


def _wrong_rows(outcome: Outcome) -> Iterator[str]:
    verdict = outcome.verdict
    for name in ("lost", "duplicated", "half", "sessions", "altered", "innocent", "misjudged"):
        if ids := getattr(verdict, name):
            yield f"{name}: {len(ids)}, such as {' '.join(islice(sorted(ids), _SHOWN))}"


def _wrong_times(outcome: Outcome) -> Iterator[str]:
    if outcome.rerun_max > RERUN_LIMIT:
        yield f"a killed worker's jobs waited {outcome.rerun_max:.1f} s to be run again"
    if outcome.stop_max > STOP_LIMIT:
        yield f"a worker took {outcome.stop_max:.1f} s to stop"


def _wrong_run(outcome: Outcome) -> Iterator[str]:
    if outcome.robbed > 0:
        yield f"recovered from workers that live: {outcome.robbed}"
    if outcome.left:
        yield f"left on the queue or in hand: {outcome.left}"
    if outcome.exits:
        yield f"workers that ended of themselves: {'; '.join(outcome.exits)}"
    if not outcome.infos:
        yield "rq info never answered"


def missing(outcome: Outcome) -> list[str]:
    """The faults that did not come about, a line each kind, and why: the run says nothing of them."""
    wanted = Counter(fault.kind for fault in schedule(outcome.seed, outcome.events))
    short = [kind for kind in Kind if outcome.landed[kind] < wanted[kind]]
    kinds = [f"did not come about: {kind}, {outcome.landed[kind]} of {wanted[kind]} times" for kind in short]
    return [*kinds, *filter(None, [outcome.stuck])]


def exit_code(outcome: Outcome) -> int:
    """0: green; 1: something is wrong; 3: nothing is wrong, but a fault did not come about."""
    if troubles(outcome):
        return FAILED
    return INCOMPLETE if missing(outcome) else 0


def last_line(outcome: Outcome) -> str:
    """The run in one line."""
    verdict = outcome.verdict
    word = {FAILED: "FAILED", INCOMPLETE: "INCOMPLETE"}.get(exit_code(outcome), "OK")
    return (
        f"chaos: {word} seed={outcome.seed} events={outcome.events} "
        f"faults={outcome.landed.total()} lost={len(verdict.lost)} duplicated={len(verdict.duplicated)} "
        f"half={len(verdict.half)} innocent={len(verdict.innocent)} rerun_max={outcome.rerun_max:.1f}s"
    )


def show(outcome: Outcome, console: Console) -> None:
    """Everything, as tables."""
    console.print(_faults(outcome), _failed(outcome), _figures(outcome))
    for trouble in [*troubles(outcome), *missing(outcome)]:
        console.print(trouble, style="red", highlight=False, soft_wrap=True)
    console.print(last_line(outcome), highlight=False, soft_wrap=True)


def _faults(outcome: Outcome) -> Table:
    table = Table("fault", "times")
    for kind in Kind:
        table.add_row(kind, str(outcome.landed[kind]))
    table.add_row("kills on top, in another state than wanted", str(outcome.stray))
    return table


def _failed(outcome: Outcome) -> Table:
    table = Table("failed registry, by reason", "jobs")
    for reason, times in outcome.verdict.reasons.most_common():
        table.add_row(reason, str(times))
    return table


def _figures(outcome: Outcome) -> Table:
    verdict = outcome.verdict
    table = Table("figure", "")
    rows = {
        "events": outcome.events,
        "lost": len(verdict.lost),
        "duplicated": len(verdict.duplicated),
        "half-written": len(verdict.half),
        "wrong session": len(verdict.sessions),
        "other rows wrong": len(verdict.altered),
        "innocents set aside": len(verdict.innocent),
        "guilty with another reason": len(verdict.misjudged),
        "left": outcome.left,
        "kill to re-run, at most": f"{outcome.rerun_max:.1f} s",
        "SIGTERM to exit, at most": f"{outcome.stop_max:.1f} s",
        "looks of rq info": outcome.infos,
        "took": f"{outcome.took:.0f} s",
    }
    for name, value in rows.items():
        table.add_row(name, str(value))
    return table
