"""The clock strictly increases, and ids sort by it."""

import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from threading import Barrier

import pytest
from hypothesis import given
from hypothesis import strategies as st

from events import LiveToggled, clock

_ROOT = Path(__file__).parents[2]


@pytest.fixture
def fresh(monkeypatch: pytest.MonkeyPatch) -> None:
    """Replaces the process's clock by a new one."""
    monkeypatch.setattr(clock, "_clock", clock.Clock())


def _wall(monkeypatch: pytest.MonkeyPatch, *nanoseconds: int) -> None:
    """Makes the wall clock return these values in turn, then the last one again and again."""
    readings = iter(nanoseconds)
    last = nanoseconds[-1]
    monkeypatch.setattr(time, "time_ns", lambda: next(readings, last))


@pytest.mark.usefixtures("fresh")
def test_the_present_is_the_walls(monkeypatch: pytest.MonkeyPatch) -> None:
    """The current time is the wall clock's time in UTC, with microseconds."""
    _wall(monkeypatch, 1_795_161_600_123_456_789)
    assert clock.now() == datetime(2026, 11, 20, 8, 0, 0, 123_456, tzinfo=UTC)
    assert clock.now().utcoffset() == datetime.now(UTC).utcoffset()


@pytest.mark.usefixtures("fresh")
def test_a_wall_clock_that_stands_still(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each time is one microsecond later than the previous one, even if the wall clock is coarse."""
    _wall(monkeypatch, 5_000_000)
    instants = [clock.now() for _ in range(1_000)]
    assert [instant.microsecond for instant in instants] == [*range(5_000, 6_000)]


@pytest.mark.usefixtures("fresh")
def test_a_wall_clock_that_steps_back(monkeypatch: pytest.MonkeyPatch) -> None:
    """If the wall clock is set back, the clock continues from its last value until both are equal."""
    hour = 3_600_000_000_000
    _wall(monkeypatch, 10 * hour, 9 * hour, 9 * hour, 11 * hour)
    ticks = [clock._clock.tick() for _ in range(4)]
    assert ticks == [hour // 100, hour // 100 + 1, hour // 100 + 2, 11 * hour // 1_000]


@given(readings=st.lists(st.integers(0, 10**19), min_size=1))
def test_any_wall_clock(readings: list[int]) -> None:
    """For any wall clock, each tick is later than all earlier ticks and not before the wall clock."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        _wall(monkeypatch, *readings)
        ticking = clock.Clock()
        ticks = [ticking.tick() for _ in readings]
    assert all(earlier < later for earlier, later in pairwise(ticks))
    assert all(tick >= reading // 1_000 for tick, reading in zip(ticks, readings, strict=True))


def test_threads_share_the_clock() -> None:
    """Concurrent threads get different times, which increase within each thread."""
    threads, each = 8, 2_000
    start = Barrier(threads)
    sys_interval = sys.getswitchinterval()

    def draw(_: int) -> list[int]:
        start.wait()
        return [clock._clock.tick() for _ in range(each)]

    sys.setswitchinterval(1e-6)
    try:
        with ThreadPoolExecutor(threads) as pool:
            drawn = [*pool.map(draw, range(threads))]
    finally:
        sys.setswitchinterval(sys_interval)
    assert len({tick for ticks in drawn for tick in ticks}) == threads * each
    assert all(ticks == sorted(ticks) for ticks in drawn)


def test_a_fork_gets_a_free_lock() -> None:
    """A child that is forked while another thread holds the lock can use the clock."""
    program = """
import os, signal
from events import clock
clock._clock._lock.acquire()
child = os.fork()
if not child:
    signal.alarm(5)
    clock.now()
    os._exit(0)
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""
    ended = subprocess.run(
        [sys.executable, "-c", program], cwd=_ROOT, capture_output=True, text=True, check=True
    )
    assert ended.stdout.strip() == "0"


@pytest.mark.usefixtures("fresh")
def test_ids_are_of_version_7(monkeypatch: pytest.MonkeyPatch) -> None:
    """An id contains the millisecond, its fraction, the version and the variant of RFC 9562."""
    _wall(monkeypatch, 1_795_161_600_123_500_000)
    made = clock.new_id()
    assert made.version == 7
    assert made.variant == "specified in RFC 4122"
    assert made.int >> 80 == 1_795_161_600_123
    assert made.int >> 64 & 0xFFF == 4_096 // 2
    assert made.int & (1 << 62) - 1 != clock.new_id().int & (1 << 62) - 1


@pytest.mark.usefixtures("fresh")
@pytest.mark.parametrize("start", [0, 999_000, 1_795_161_600_999_998_000])
def test_ids_sort_by_the_order_they_were_made_in(monkeypatch: pytest.MonkeyPatch, start: int) -> None:
    """Ids sort as UUIDs and as texts: within a microsecond, within a millisecond and across milliseconds."""
    _wall(monkeypatch, start)
    ids = [clock.new_id() for _ in range(3_000)]
    assert ids == sorted(ids)
    assert [str(made) for made in ids] == sorted(str(made) for made in ids)
    assert len(set(ids)) == len(ids)


@pytest.mark.usefixtures("fresh")
def test_events_made_one_after_the_other_are_in_order(monkeypatch: pytest.MonkeyPatch) -> None:
    """If the wall clock steps back, toggles of one process keep their order by time and by id."""
    _wall(monkeypatch, *range(2_000_000_000, 1_000_000_000, -10_000_000))
    toggles = [LiveToggled(company_id="shop", enabled=n % 2 == 0) for n in range(300)]
    for earlier, later in pairwise(toggles):
        assert earlier.occurred_at < later.occurred_at
        assert earlier.event_id < later.event_id
