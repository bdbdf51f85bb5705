"""The simulation of more shops: its sums are right, and it says what saturates first."""

import pytest

from bench.simulation import PARTS, Part, first_full, full_at, growth_table, mean_rate, part_table, simulate

FAST = Part("fast", 100, "", "")  # 10,000 events/s
SLOW = Part("slow", 1_000, "", "")  # 1,000 events/s
A_DAY = 6 * 3_600.0
"""Events of a shop in a day: one a second in the busiest hour."""


def test_the_slowest_part_is_full_first() -> None:
    """Wherever it is in the way of an event."""
    assert first_full([FAST, SLOW]) is first_full([SLOW, FAST]) is SLOW


def test_the_shops_that_fill_a_part() -> None:
    """In the busiest minute each shop has five events a second."""
    assert mean_rate(7, A_DAY) == 7
    assert full_at(SLOW, A_DAY) == pytest.approx(200)


def test_what_comes_during_an_outage_waits() -> None:
    """Ten minutes of events wait, the first of them for ten minutes; then all of them go through."""
    hour = simulate(10, A_DAY, [FAST, FAST])
    assert hour
    assert hour.waiting == pytest.approx(6_000)
    assert hour.longest == 600


def test_a_backlog_takes_longer_with_less_room() -> None:
    """A part that is nearly full works off the outage so slowly that the busiest minute comes on top."""
    roomy, tight = simulate(500, A_DAY, [FAST, FAST]), simulate(900, A_DAY, [FAST, SLOW])
    assert roomy and tight  # noqa: PT018
    assert roomy.longest == 600
    assert tight.waiting > 900 * 600
    assert tight.longest >= 600


def test_too_many_shops() -> None:
    """A part that the hour's mean fills never ends its backlog."""
    assert simulate(999, A_DAY, [FAST, SLOW])
    assert simulate(1_000, A_DAY, [FAST, SLOW]) is None


def test_tables_name_each_part_and_each_size() -> None:
    """Each part has its figure, its source and what comes next; a backlog without end is named."""
    parts = part_table(20).rows
    assert [row[0] for row in parts] == [part.name for part in PARTS]
    assert all(all(row) for row in parts)
    assert [row[0] for row in growth_table(20).rows] == ["100", "10,000", "1,000,000"]
    assert "grows for ever" in growth_table(20_000).rows[-1]
