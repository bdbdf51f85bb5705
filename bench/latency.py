"""From ``publish`` to the row that is seen, at low load; and from a worker's start to its first row."""

import time
from uuid import UUID

from bench.processes import OURS, until
from bench.stage import SHOPS, Stage, order
from events import AnyEvent, Publisher
from worker.elements import element

WORKER = [str(OURS / "botlive"), "worker"]
_PAUSE = 0.0003  # seconds between two looks for a row
_REST = 0.05  # seconds between two events: the worker is waiting again


def published(stage: Stage, number: int) -> list[float]:
    """Seconds from ``publish`` to the visible row, each event on its own."""
    stage.clear()
    publisher = stage.publisher
    with stage.running(WORKER):
        _until_visible(stage, publisher.publish(order(SHOPS[0])))
        return [_seconds(stage, publisher) for _ in range(number)]


def called(stage: Stage, number: int, delay: int = 0) -> list[float]:
    """Seconds of one bare RPC with one event, after which its row is visible."""
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
    """Seconds from the start of a worker process to the row of an event that waited for it."""
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
    until(lambda: stage.has(event_id), "the row does not appear", pause=_PAUSE)
