"""The chaos harness's plan: what is published and what goes wrong, from the seed alone."""

from collections import Counter

import pytest

from tests.chaos.schedule import Kind, schedule
from tests.chaos.stream import Plan


def test_the_same_seed_has_the_same_faults() -> None:
    """Another seed has other faults."""
    assert schedule(7, 10_000) == schedule(7, 10_000)
    assert schedule(7, 10_000) != schedule(8, 10_000)


@pytest.mark.parametrize(
    ("events", "faults", "each"), [(10_000, 200, 10), (100_000, 1_000, 10), (500, 30, 2)]
)
def test_every_kind_comes_often_enough(events: int, faults: int, each: int) -> None:
    """A run of 10,000 events has 200 faults, ten of each kind at least; a larger one more."""
    times = Counter(fault.kind for fault in schedule(1, events))
    assert times.total() >= faults
    assert min(times[kind] for kind in Kind) >= each


def test_the_same_seed_has_the_same_events() -> None:
    """A publisher that is killed begins again with the same events, in the same disorder."""
    first, again = (Plan(3, 300, 3, 10) for _ in range(2))
    other = Plan(4, 300, 3, 10)
    assert first.portion(1, 4) == again.portion(1, 4)
    assert first.portion(1, 4) != other.portion(1, 4)


@pytest.mark.parametrize("events", [299, 300, 1_000])
def test_as_many_events_are_published_as_were_asked_for(events: int) -> None:
    """Each has its own id; repeats and guilty ones come on top."""
    innocent = Plan(3, events, 3, 10).innocent([range(10)] * 3)
    assert len({event.event_id for event in innocent}) == events


def test_what_was_not_acknowledged_is_not_missed() -> None:
    """For a portion that only one publisher has done, its own events and its repetitions are counted."""
    plan = Plan(3, 300, 3, 10)
    ids = {event.event_id for event in plan.innocent([{0, 1}, set(), set()])}
    assert ids == {event.event_id for portion in (0, 1) for event in plan.orderly(0, portion)}


def test_a_nudge_brings_fresh_events() -> None:
    """Portions behind the last have events that no other has, as many as any."""
    plan = Plan(3, 300, 3, 10)
    before = {event.event_id for event in plan.innocent([range(10)] * 3)}
    extra = [{event.event_id for event in plan.fresh(0, portion)} for portion in (10, 11)]
    assert [len(ids) for ids in extra] == [10, 10]
    assert not (extra[0] | before) & extra[1]
    assert not before & extra[0]


def test_repeats_rivals_and_guilty_ones_are_among_them() -> None:
    """The first portion holds all three."""
    plan = Plan(3, 300, 3, 10)
    stream = plan.portion(0, 0)
    assert len(stream) > len(plan.fresh(0, 0)) + len(plan.guilty(0, 0))
    assert {one.event for one in plan.guilty(0, 0)} <= set(stream)
    (mine,), (theirs,) = plan.rivals_of(0, 0), plan.rivals_of(1, 0)
    assert mine.event_id == theirs.event_id
    assert mine != theirs
