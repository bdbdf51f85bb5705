"""Measures the cost of one event for docs/performance.md: ``python -m bench.profile``."""

import json
import time
from collections.abc import Callable
from typing import Any

from rich.console import Console

from bench import backlog
from bench.contenders import OURS_AS_IT_COMES
from bench.report import Table
from bench.stage import ROUND_TRIP, Stage
from events import AnyEvent
from events.publishing.call import Call
from worker.decode import read
from worker.elements import element

_EVENTS = 20_000
_BATCH = 500


def redis_costs(stage: Stage) -> Table:
    """Return the commands and bytes of Redis per event, for publishing and for persisting."""
    stage.clear()
    marks = [_traffic(stage)]
    stage.publish("botlive", stage.orders(_EVENTS), "load")
    marks.append(_traffic(stage))
    with stage.running(OURS_AS_IT_COMES.command):
        while stage.waiting() or stage.redis.zcard("rq:wip:bench"):
            time.sleep(0.5)
        marks.append(_traffic(stage))
    rows = [
        [what, *(f"{(after[key] - before[key]) / _EVENTS:,.4g}" for key in before)]
        for what, before, after in zip(("publish, in chunks", "persist"), marks, marks[1:], strict=False)
    ]
    columns = ["per event", "scripts", "commands, those in scripts too", "bytes in", "bytes out", "CPU µs"]
    return Table("Redis", "", columns, rows)


def processor(stage: Stage) -> Table:
    """Return the processor time by process."""
    rows = []
    for delay in (0, ROUND_TRIP):
        run = backlog.run(stage, OURS_AS_IT_COMES, delay, _EVENTS)
        each = {part: cores / run.rate * 1e6 for part, cores in run.cores.items()}
        rows.append([f"{delay} ms", f"{1e6 / run.rate:,.0f}", *(f"{cost:,.0f}" for cost in each.values())])
    columns = ["µs per event", "elapsed", "worker", "Redis", "gateway", "PostgreSQL"]
    return Table("Processor time", "`ours`, one worker.", columns, rows)


def steps(events: list[AnyEvent]) -> Table:
    """Return the cost of the worker's own code and the size of its requests."""
    jobs = [Call.of(event).data.encode() for event in events]
    elements = [element(event) for event in events]
    body = json.dumps({"events": elements}).encode()
    answer = json.dumps([{"outcome": "persisted", "session_written": False}] * len(events))
    costs: list[tuple[str, Callable[[], Any]]] = [
        ("read the job: parse and validate", lambda: [read(job) for job in jobs]),
        ("rows and digest", lambda: [element(event) for event in events]),
        ("encode the body", lambda: json.dumps({"events": elements})),
        ("decode the answer", lambda: json.loads(answer)),
    ]
    rows = [[what, f"{_best(act) / len(events) * 1e6:.1f}"] for what, act in costs]
    size, job = len(body) / len(events), sum(map(len, jobs)) / len(jobs)
    return Table(
        "The worker's own steps",
        f"A body has {size:,.0f} B an event, a job {job:,.0f} B.",
        ["", "µs per event"],
        rows,
    )


def _traffic(stage: Stage) -> dict[str, float]:
    info: dict[str, Any] = stage.redis.info("everything")
    commands = sum(found["calls"] for key, found in info.items() if key.startswith("cmdstat_"))
    return {
        "scripts": info.get("cmdstat_evalsha", {}).get("calls", 0),
        "commands": commands,
        "in": info["total_net_input_bytes"],
        "out": info["total_net_output_bytes"],
        "cpu": (info["used_cpu_user"] + info["used_cpu_sys"]) * 1e6,
    }


def _best(act: Callable[[], Any]) -> float:
    found = []
    for _ in range(5):
        began = time.perf_counter()
        act()
        found.append(time.perf_counter() - began)
    return min(found)


def main() -> None:
    """Print all tables as Markdown."""
    console = Console(width=150, highlight=False)
    with Stage.up() as stage:
        for table in (redis_costs(stage), processor(stage), steps(stage.orders(_BATCH))):
            console.print(table.markdown())


if __name__ == "__main__":
    main()
