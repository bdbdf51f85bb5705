"""Computes what saturates first as the shops grow: ``python -m bench.simulation [EVENTS_A_SHOP_A_DAY]``.

Each part has one core and serves one event in a constant time, which was measured (docs/performance.md). The
simulation is one hour, second by second: the busiest of a day, with one busier minute, and with Supabase
unreachable for some minutes. Events wait in Redis meanwhile.
"""

import sys
from bisect import bisect_left
from collections.abc import Sequence
from itertools import accumulate, chain, repeat
from typing import NamedTuple

from rich.console import Console

from bench.report import Table

SHOPS = (10**2, 10**4, 10**6)
EVENTS = 20.0
"""Of a shop in a day: an assumption."""
_HOUR_SHARE = 1 / 6  # of a day's events, in the busiest hour: an assumption
_BURST = 5  # times the hour's mean, in the busiest minute: an assumption
_MINUTE, _HOUR = 60, 3_600  # seconds
_BUSY = range(40 * _MINUTE, 41 * _MINUTE)
_OUTAGE = range(10 * _MINUTE, 20 * _MINUTE)
_WAITING_BYTES = 881  # of Redis: `make bench`, Growth
_STORED_BYTES = 1_042  # of an order with its activity and its row in the inbox: `make bench`, Large tables
_KEPT = 180  # days
_GIB, _MIB = 2**30, 2**20
_NOTHING = 1e-3  # events; the sums are not exact


class Part(NamedTuple):
    """A part of the system, in the order of an event's way."""

    name: str
    cost: float
    """Microseconds of one event."""
    source: str
    following: str
    """What to do when it is full."""

    @property
    def capacity(self) -> float:
        """Events a second."""
        return 1e6 / self.cost


PARTS = (
    Part("chat, one publisher", 79.6, "`make bench`: publish, 50 at once", "more processes of the chat"),
    Part(
        "Redis",
        15 + 28,
        "`bench.profile`: publish and persist",
        "queues by shop, over several Redis instances",
    ),
    Part("worker, one process", 78, "`bench.profile`: processor time", "`botlive worker --processes N`"),
    Part("PostgREST", 1e6 / 10_900, "a bare loop on a real one, 500 a call", "more cores"),
    Part(
        "PostgreSQL, one connection",
        67 * 1.31,
        "`bench.profile`: processor time, × 1.31 for large tables",
        "more cores; then several Supabase projects, by shop",
    ),
)


class Hour(NamedTuple):
    """What happened in the hour, and in as many further seconds as the backlog took."""

    waiting: float
    """The most events that waited at a time."""
    longest: int
    """Seconds that the event with the longest wait waited."""


def mean_rate(shops: int, events: float) -> float:
    """Return the events a second in the busiest hour."""
    return shops * events * _HOUR_SHARE / _HOUR


def full_at(part: Part, events: float) -> float:
    """Return the number of shops that fill the part in the busiest minute."""
    return part.capacity / (mean_rate(1, events) * _BURST)


def first_full(parts: Sequence[Part] = PARTS) -> Part:
    """Return the part that saturates first."""
    return min(parts, key=lambda part: part.capacity)


def simulate(shops: int, events: float, parts: Sequence[Part] = PARTS) -> Hour | None:
    """Return the hour; None if a part is too slow for the hour's mean, so that the backlog grows for ever."""
    rate = mean_rate(shops, events)
    if first_full(parts).capacity <= rate:
        return None
    arrivals = [rate * (_BURST if second in _BUSY else 1) for second in range(_HOUR)]
    queues = [0.0] * len(parts)
    waiting: list[float] = []
    departures: list[float] = []
    for second, arriving in enumerate(chain(arrivals, repeat(0.0))):
        departures.append(_pass(queues, arriving, parts, is_away=second in _OUTAGE))
        waiting.append(sum(queues))
        if second >= _HOUR and waiting[-1] < _NOTHING:
            break
    return Hour(max(waiting), _longest(list(accumulate(arrivals)), list(accumulate(departures))))


def _pass(queues: list[float], inflow: float, parts: Sequence[Part], *, is_away: bool) -> float:
    """Let one second pass, and return the events that left the last part."""
    for index, part in enumerate(parts):
        queues[index] += inflow
        # A worker claims nothing while Supabase is away, so the events wait in Redis.
        inflow = 0.0 if is_away and index else min(queues[index], part.capacity)
        queues[index] -= inflow
    return inflow


def _longest(arrived: Sequence[float], departed: Sequence[float]) -> int:
    """Return the longest time between the arrival of an event and its departure."""
    places = (bisect_left(departed, total - _NOTHING) for total in arrived)
    return max(place - second for second, place in enumerate(places))


def part_table(events: float) -> Table:
    """Return how busy each part is in the busiest minute."""
    rows = [
        [
            part.name,
            f"{part.capacity:,.0f}",
            *(f"{mean_rate(shops, events) * _BURST / part.capacity:.2%}" for shops in SHOPS),
            f"{full_at(part, events):,.0f}",
            part.following,
            part.source,
        ]
        for part in PARTS
    ]
    note = f"Each with one core. {first_full().name} is full first."
    columns = ["", "events/s", *(f"{shops:,} shops" for shops in SHOPS), "full at … shops", "then", "source"]
    return Table("Busy in the busiest minute", note, columns, rows)


def growth_table(events: float) -> Table:
    """Return what waits and what is stored, by the number of shops."""
    rows = [
        [
            f"{shops:,}",
            f"{shops * events:,.0f}",
            f"{mean_rate(shops, events) * _BURST:,.2f}",
            *_hour_cells(simulate(shops, events)),
            f"{shops * events * _KEPT:,.0f}",
            f"{shops * events * _KEPT * _STORED_BYTES / _GIB:,.1f}",
        ]
        for shops in SHOPS
    ]
    note = f"{events:g} events of a shop in a day; Supabase is away for {len(_OUTAGE) // _MINUTE} minutes."
    columns = [
        "shops",
        "events a day",
        "events/s, busiest minute",
        "waiting, at most",
        "MiB of Redis",
        "longest wait, s",
        f"events in {_KEPT} days",
        "GiB of tables",
    ]
    return Table("A day", note, columns, rows)


def _hour_cells(hour: Hour | None) -> list[str]:
    if hour is None:
        return ["grows for ever", "", ""]
    return [f"{hour.waiting:,.0f}", f"{hour.waiting * _WAITING_BYTES / _MIB:,.1f}", f"{hour.longest:,}"]


def main() -> None:
    """Print both tables as Markdown."""
    events = float(sys.argv[1]) if sys.argv[1:] else EVENTS
    console = Console(width=400, highlight=False)
    for table in (part_table(events), growth_table(events)):
        console.print(table.markdown())


if __name__ == "__main__":
    main()
