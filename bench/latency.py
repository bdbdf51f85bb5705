"""Measures the time from ``publish`` to the visible row, and from a worker's start to its first row."""

import time
from uuid import UUID

from bench.processes import OURS, until
from bench.stage import SHOPS, Stage, order
from events import AnyEvent, Publisher
from worker.elements import element

WORKER = [str(OURS / "botlive"), "worker"]
_PAUSE = 0.0003  # seconds between two queries for a row
_REST = 0.05  # seconds between two events, so that the worker is idle again


def published(stage: Stage, number: int) -> list[float]:
    """Return the seconds from ``publish`` to the visible row, for one event at a time."""
    stage.clear()
    publisher = stage.publisher
    with stage.running(WORKER):
        _until_visible(stage, publisher.publish(order(SHOPS[0])))
        return [_seconds(stage, publisher) for _ in range(number)]


def called(stage: Stage, number: int, delay: int = 0) -> list[float]:
    """Return the seconds of one bare RPC with one event; its row is visible when the RPC returns."""
    stage.clear()
    gateway = stage.gateway(delay)
    gateway.persist([element(order(SHOPS[0]))])
    took = []
    for _ in range(number):
        event: AnyEvent = order(SHOPS[0])
        time.sleep(_REST)
        began = time.perf_counter()
        gateway.persist([element(event)])
        took.append(time.perf_counter() - began)
    gateway.close()
    return took


def ready(stage: Stage) -> float:
    """Return the seconds from the start of a worker process to the row of a waiting event."""
    stage.clear()
    waiting = stage.publisher.publish(order(SHOPS[0]))
    began = time.perf_counter()
    with stage.running(WORKER):
        _until_visible(stage, waiting)
        return time.perf_counter() - began


def _seconds(stage: Stage, publisher: Publisher) -> float:
    event = order(SHOPS[0])
    time.sleep(_REST)
    began = time.perf_counter()
    _until_visible(stage, publisher.publish(event))
    return time.perf_counter() - began


def _until_visible(stage: Stage, event_id: UUID) -> None:
    until(lambda: stage.has(event_id), "the row did not appear in time", pause=_PAUSE)
