"""Checks of the queue: what waits, what failed, and who works."""

from collections.abc import Iterator

from gateway.release import release
from operations.doctor.result import Result, failure, ok, warning
from operations.status import Status, Worker

_OLD = 60.0  # seconds that an event may wait before it is worth a warning
_LATE = 600.0  # seconds after which it is a failure
_DEEP = 10_000  # events


def check(status: Status) -> Iterator[Result]:
    """Check what ``operations.status.read`` has read."""
    for reason in status.wrong_keys:
        what, _, cure = reason.partition("; ")
        yield failure("queue", what, cure)
    yield from _depth(status)
    yield from _workers(status)
    if status.is_suspended:
        yield failure("workers", "all workers are suspended (`rq suspend`)", "run `rq resume`")
    if status.apart:
        yield warning(
            "queue",
            f"{status.apart} events wait apart: their shops' tables do not take them",
            "run `botlive failures`, which names each shop, the reason and the cure; "
            "they go through by themselves after it",
        )
    for name, number in status.failed.items():
        yield warning(
            "queue",
            f"{number} events failed: {name}",
            f"run `botlive failures --reason {name}`, remove the cause, "
            f"then `botlive failures replay --reason {name}`",
        )
    if not status.failed:
        yield ok("queue", "no event has failed")


def _depth(status: Status) -> Iterator[Result]:
    age = status.oldest or 0.0
    words = f"{status.waiting} events wait in queue {status.queue}, the oldest for {age:.0f} s"
    cure = "see the workers below; start more of them, or find out what slows Supabase"
    if age > _LATE:
        yield failure("queue", words, cure)
    elif age > _OLD or status.waiting > _DEEP:
        yield warning("queue", words, cure)
    else:
        yield ok("queue", words)


def _workers(status: Status) -> Iterator[Result]:
    alive = [worker for worker in status.workers if worker.state != "dead"]
    for worker in status.workers:
        if worker.state == "held":
            yield failure(
                "workers",
                f"{worker.name} holds all events (its circuit breaker is open): {worker.reason}",
                "do what the reason says; the worker goes on by itself",
            )
        elif worker.state == "dead":
            yield warning(
                "workers",
                f"{worker.name} has given no sign for {worker.heartbeat or 0:.0f} s: it ended without a stop",
                "see its last log lines and restart it; another worker takes over its events",
            )
    if alive:
        yield ok("workers", f"{len(alive)} alive")
    else:
        words = "no worker is alive: nothing is persisted"
        yield failure("workers", words, "start one: `botlive worker`, under a supervisor that restarts it")
    yield from _releases(alive)


def _releases(alive: list[Worker]) -> Iterator[Result]:
    others = {worker.release for worker in alive if worker.release not in {None, release()}}
    if others:
        yield warning(
            "versions",
            f"workers of other releases run: {', '.join(sorted(map(str, others)))}; this is {release()}",
            "upgrade in this order: database (`botlive migrate`), workers, chat",
        )
