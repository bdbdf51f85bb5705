"""Measures the sections of the report; each returns its figures as plain JSON."""

import statistics
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from bench import backlog, growth, latency, publishing, tables
from bench.contenders import contenders
from bench.rounds import Line, interleaved, spread
from bench.scale import Scale
from bench.stage import ROUND_TRIP, Stage

Figures = dict[str, Any]

_WORKERS = (1, 2, 4)
_PROBES = 20  # bare RPCs that measure the delay


def persist(stage: Stage, scale: Scale, delay: int) -> Figures:
    """Measure the events a second of every contender, ``delay`` milliseconds away from the gateway."""
    lines = interleaved(
        f"persist at {delay} ms",
        contenders(delay),
        lambda contender: contender.name,
        scale.rounds,
        lambda contender: backlog.run(stage, contender, delay, backlog.size(contender, delay, scale.seconds)),
    )
    return {
        "bare_rpc_ms": bare_rpc(stage, delay),
        "lines": {name: _rate(line) for name, line in lines.items()},
    }


def bare_rpc(stage: Stage, delay: int) -> float:
    """Return the milliseconds of one RPC with one event on an open connection: shows what the proxy adds."""
    return statistics.median(latency.called(stage, _PROBES, delay)) * 1e3


def publish(stage: Stage, scale: Scale) -> Figures:
    """Measure the microseconds per event, one at a time and by fifty clients at once."""
    alone = _publish(stage, "alone", publishing.WAYS, scale.publish_rounds, scale.alone)
    queues = [way for way in publishing.WAYS if way.queue != "inline"]
    together = _publish(stage, "together", queues, scale.publish_rounds, scale.together)
    inline = [replace(way, share=0) for way in publishing.WAYS if way.queue == "inline"]
    together |= _publish(stage, "together", inline, scale.rounds, scale.together)
    return {"alone": alone, "together": together}


def latencies(stage: Stage, scale: Scale) -> Figures:
    """Measure the milliseconds from publish to row, of a bare RPC, and of a worker's start."""
    rows, calls = [], []
    for _ in range(scale.rounds):
        rows.append(latency.published(stage, scale.latency))
        calls.append(latency.called(stage, scale.latency))
    starts = [latency.ready(stage) * 1e3 for _ in range(scale.starts)]
    return {
        "row": _milliseconds(rows),
        "rpc": _milliseconds(calls),
        "ready_ms": statistics.median(starts),
        "ready_rounds_ms": starts,
    }


def scaling(stage: Stage, scale: Scale) -> Figures:
    """Measure the events a second of several workers."""
    lines = interleaved(
        "scaling", _WORKERS, str, scale.rounds, lambda workers: growth.scaled(stage, workers, scale.scaling)
    )
    return {name: _numbers(line) for name, line in lines.items()}


def fairness(stage: Stage, scale: Scale) -> Figures:
    """Measure the seconds that another shop's event waits behind a flood."""
    lines = interleaved(
        "fairness",
        [0, ROUND_TRIP],
        str,
        scale.rounds,
        lambda delay: growth.fairness(stage, scale.flood, delay),
    )
    return {"waiting": scale.flood, "lines": {name: _numbers(line) for name, line in lines.items()}}


def growing(stage: Stage, scale: Scale) -> Figures:
    """Measure a backlog's cost, a worker's memory, and Redis' bytes per waiting event."""
    weight = growth.redis_bytes(stage, scale.memory)
    growth.wait(stage, scale.deep)
    rounds = [(growth.draining(stage), growth.draining_shallow(stage)) for _ in range(scale.rounds)]
    deep, shallow = zip(*rounds, strict=True)
    memory = growth.memory(stage)
    return {
        "redis_bytes": weight,
        "redis_events": scale.memory,
        "deep_waiting": scale.deep,
        "deep_us": deep,
        "shallow_us": shallow,
        "ratio": statistics.median(deep) / statistics.median(shallow),
        "spread": max(spread(deep), spread(shallow)),
        "memory": memory._asdict(),
    }


def large_tables(stage: Stage, scale: Scale) -> Figures:
    """Measure the cost of a batch on large tables, against empty ones."""
    return tables.measure(stage, scale.rows, scale.rounds)


def _publish(
    stage: Stage, how: str, ways: Sequence[publishing.Way], rounds: int, events: int
) -> dict[str, Figures]:
    lines = interleaved(
        f"publish {how}",
        ways,
        lambda way: way.name,
        rounds,
        lambda way: publishing.measure(stage, way, how, events),
    )
    return {name: _cost(line) for name, line in lines.items()}


def _rate(line: Line[backlog.Run]) -> Figures:
    cores = line.runs[0].cores if line.runs else {}
    return {
        "failure": line.failure,
        "rate": line.median(lambda run: run.rate),
        "rounds": [run.rate for run in line.runs],
        "events": line.runs[0].events if line.runs else 0,
        "cores": {part: line.median(_part(part)) for part in cores},
    }


def _part(part: str) -> Callable[[backlog.Run], float]:
    return lambda run: run.cores[part]


def _cost(line: Line[publishing.Cost]) -> Figures:
    return {
        "failure": line.failure,
        "each": line.median(lambda cost: cost.each),
        "p50": line.median(lambda cost: cost.p50),
        "p99": line.median(lambda cost: cost.p99),
        "rounds": [cost.each for cost in line.runs],
    }


def _numbers(line: Line[float]) -> Figures:
    return {"failure": line.failure, "median": line.median(float), "rounds": line.runs}


def _milliseconds(rounds: Sequence[Sequence[float]]) -> Figures:
    """Return the medians of the rounds' percentiles."""
    return {
        "p50": statistics.median(statistics.median(each) for each in rounds) * 1e3,
        "p99": statistics.median(sorted(each)[int(len(each) * 0.99)] for each in rounds) * 1e3,
    }
