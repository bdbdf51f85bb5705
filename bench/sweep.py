"""Short sweeps for docs/performance.md: ``python -m bench.sweep batch|peers``.

``batch``: values of BOTLIVE_BATCH for our worker. ``peers``: numbers of threads for each peer.
"""

import sys
from collections.abc import Sequence
from dataclasses import replace

from rich.console import Console

from bench import backlog
from bench.contenders import OURS_AS_IT_COMES, Contender, best
from bench.report import Table, number
from bench.rounds import interleaved
from bench.stage import ROUND_TRIP, Stage

_BATCHES = (100, 250, 500, 1_000, 2_000)
_THREADS = (16, 64)
_ROUNDS = 3
_TEN = 10  # batches of the largest size in a run
_EVENTS = 400  # for a peer: several calls for each of 64 threads


def batches() -> list[Contender]:
    """Return our worker with each batch size."""
    return [
        replace(OURS_AS_IT_COMES, name=f"BOTLIVE_BATCH={size}", environment={"BOTLIVE_BATCH": str(size)})
        for size in _BATCHES
    ]


def peers() -> list[Contender]:
    """Return each peer with each number of threads."""
    return [
        replace(peer, name=f"{peer.queue}, {threads} threads")
        for threads in _THREADS
        for peer in best(threads)
    ]


def sweep(contenders: Sequence[Contender], events: int, rounds: int) -> Table:
    """Measure each contender, near and far, with ``events`` events in a run."""
    with Stage.up() as stage:
        near, far = (_speeds(stage, contenders, delay, events, rounds) for delay in (0, ROUND_TRIP))
    rows = [[name, number(near[name]), number(far[name])] for name in near]
    return Table("Sweep", "Events a second.", ["", "next to the gateway", f"{ROUND_TRIP} ms away"], rows)


def _speeds(
    stage: Stage, contenders: Sequence[Contender], delay: int, events: int, rounds: int
) -> dict[str, float]:
    lines = interleaved(
        f"sweep at {delay} ms",
        contenders,
        lambda contender: contender.name,
        rounds,
        lambda contender: backlog.run(stage, contender, delay, events),
    )
    return {name: line.median(lambda run: run.rate) for name, line in lines.items()}


def main() -> None:
    """Print one sweep as Markdown."""
    made = {
        "batch": lambda: sweep(batches(), _BATCHES[-1] * _TEN, _ROUNDS),
        "peers": lambda: sweep(peers(), _EVENTS, 1),
    }
    Console(width=150, highlight=False).print(made[sys.argv[1]]().markdown())


if __name__ == "__main__":
    main()
