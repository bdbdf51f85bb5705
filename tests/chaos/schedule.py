"""What goes wrong, and when: pure, the same for the same seed and size."""

import random
from dataclasses import dataclass
from enum import StrEnum
from math import ceil


class Kind(StrEnum):
    """The kinds of fault, by the words of the report."""

    WAITING = "worker killed, nothing in hand"
    CLAIMED = "worker killed, claimed and not written"
    COMMITTED = "worker killed, written and not acknowledged"
    TERMINATED = "worker stopped (SIGTERM)"
    PUBLISHER = "publisher killed"
    REDIS = "Redis restarted"
    FORGOTTEN = "Redis forgot its last events"
    POSTGRES = "PostgreSQL restarted"
    DROPPED = "answer dropped after the write"
    UNAVAILABLE = "answer 5xx"
    BUSY = "answer 429"
    FORBIDDEN = "answer 403"
    HTML = "answer HTML"
    HANGING = "no answer at all"
    HALVED = "answer cut in half"
    SLOW = "latency added"


WINDOWS = frozenset({Kind.DROPPED, Kind.UNAVAILABLE, Kind.BUSY, Kind.FORBIDDEN, Kind.HTML, Kind.HALVED})
"""Faults that may last: they then hit every call meanwhile, probes too."""

ON_THE_PATH = WINDOWS | {Kind.HANGING, Kind.SLOW}
"""Faults of the path to the gateway."""

_FULL = 10_000  # events, from which on every kind comes at least ten times
_FEWEST = 200  # faults of a full run
_SHARE = 0.6  # of the faults are on the path: what is killed takes long to be up again
_LONGEST = 0.4  # seconds that a fault lasts


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault; the fault of step N begins as the N-th portion of the events is published."""

    kind: Kind
    seconds: float
    """How long it lasts, where that is its own choice; 0: one call only."""
    variant: int
    """0 to 99: which of its forms it takes, and whom it hits."""


def schedule(seed: int, events: int) -> tuple[Fault, ...]:
    """The faults of a run, in their order, shuffled.

    At least 200 in a run of 10,000 events, one for every 100 in a larger one; a smaller one has at least
    two of each kind.
    """
    dice = random.Random(f"schedule {seed}")
    wanted = max(events / 100, min(events / _FULL, 1) * _FEWEST)
    faults = [_fault(kind, dice) for kind in Kind for _ in range(_times(kind, wanted))]
    dice.shuffle(faults)
    return tuple(faults)


def _times(kind: Kind, wanted: float) -> int:
    others = len(Kind) - len(ON_THE_PATH)
    each = wanted * _SHARE / len(ON_THE_PATH) if kind in ON_THE_PATH else wanted * (1 - _SHARE) / others
    return max(2, ceil(each))


def _fault(kind: Kind, dice: random.Random) -> Fault:
    seconds, variant = dice.uniform(0.05, _LONGEST), dice.randrange(100)
    lasts = kind not in WINDOWS or variant % 3 == 0
    return Fault(kind, seconds if lasts else 0.0, variant)
