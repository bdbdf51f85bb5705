"""The problems of a queue that are worth an alert."""

from collections.abc import Iterator
from typing import NamedTuple

from gateway.letters import printable
from gateway.masking import mask_text
from operations.status import Status

_FULL = 0.5  # of the outbox's limit


class Problem(NamedTuple):
    """Something that an operator has to know."""

    key: str
    """The same for the same kind of problem: it is sent once until it is over."""
    words: str
    """One line, without personal data."""

    @classmethod
    def of(cls, key: str, words: str) -> "Problem":
        """The problem, with what looks like a phone number or a key replaced."""
        return cls(mask_text(printable(key)), mask_text(printable(words)))


def problems(status: Status, *, oldest: float, workers: int) -> Iterator[Problem]:
    """The problems that the state of a queue shows.

    Args:
        status: The state, as ``operations.status.read`` returns it.
        oldest: Seconds that an event may wait.
        workers: The number of workers that must be alive.
    """
    for name, number in status.failed.items():
        yield Problem.of(f"failed {name}", f"{number} events failed: {name}; run `botlive failures`")
    for reason in sorted({worker.reason or "" for worker in status.workers if worker.state == "held"}):
        yield Problem.of(f"held {reason}", f"workers hold all events (circuit breaker open): {reason}")
    if status.apart:
        yield Problem.of("apart", f"{status.apart} events wait apart; run `botlive failures`")
    if (age := status.oldest or 0.0) > oldest:
        yield Problem.of("oldest", f"the oldest event has waited for {age:.0f} s; run `botlive doctor`")
    alive = sum(worker.state != "dead" for worker in status.workers)
    if alive < workers:
        yield Problem.of("workers", f"{alive} workers are alive, {workers} expected; start `botlive worker`")
    for reason in status.wrong_keys:
        yield Problem.of(f"key {reason}", reason)


def outbox_problem(waiting: int, limit: int) -> Problem | None:
    """The problem of a chat's outbox that fills, or None."""
    if waiting <= _FULL * limit:
        return None
    return Problem.of("outbox", f"the chat's outbox holds {waiting} of at most {limit} events: Redis is away")
