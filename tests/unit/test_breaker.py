"""The circuit breaker, with a clock and random numbers of the test."""

import random

from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import DeploymentFault, TransientFault, WorkerError
from worker.breaker import CAP, Breaker

AWAY = TransientFault("away")


def breaker(most: int = 500, now: float = 0) -> Breaker:
    """Return a closed breaker whose clock stands still."""
    return Breaker(most, lambda: now, random.Random(1))


def events(number: int) -> list[str]:
    """Return the ids of so many events."""
    return [str(each) for each in range(number)]


def test_a_failure_opens_it_and_a_probe_closes_it() -> None:
    """An open breaker has a fault; after a successful probe all events may be tried again."""
    made = breaker()
    assert not made.failed(events(500), AWAY)
    assert made.is_open
    assert made.fault is AWAY
    made.probe_passed()
    assert not made.is_open
    assert made.limit == 500


def test_probes_come_at_growing_pauses_up_to_the_cap() -> None:
    """The pauses between probes grow, are random, and never exceed the cap (full jitter)."""
    made = breaker()
    made.failed(["one"], AWAY)
    pauses = []
    for _ in range(60):
        made.probe_failed(AWAY)
        pauses.append(made.wait)
    assert max(pauses) <= CAP
    assert max(pauses[-20:]) > CAP / 2
    assert max(pauses[:3]) < 2
    assert len(set(pauses)) == len(pauses)


def test_it_waits_as_long_as_the_server_asks() -> None:
    """Retry-After is used if it is longer than the breaker's own pause."""
    made = breaker(now=100)
    made.failed(["one"], TransientFault("slow down", retry_after=7))
    assert made.wait == 7
    made.clock = lambda: 105
    assert made.wait == 2


def test_events_that_fail_again_are_split_down_to_one() -> None:
    """The batch is halved at each failure after a successful probe, until the cause is one event."""
    made = breaker(8)
    sizes = []
    blamed = False
    while not blamed:
        size = made.limit
        sizes.append(size)
        blamed = made.failed(events(size), AWAY)
        made.probe_passed()
    assert sizes[:5] == [8, 8, 4, 2, 1]
    assert set(sizes[5:]) == {1}
    assert len(sizes) >= 7


def test_no_event_is_blamed_for_an_outage() -> None:
    """An event that fails alone is never the cause if probes fail in between."""
    made = breaker(1)
    for _ in range(1000):
        assert not made.failed(["one"], AWAY)
        made.probe_failed(DeploymentFault())
        made.probe_passed()


def test_a_success_clears_the_suspicion() -> None:
    """An event that succeeds in between is not the cause of later failures."""
    made = breaker(1)
    for _ in range(50):
        assert not made.failed(["one"], AWAY)
        made.probe_passed()
        assert not made.failed(["one"], AWAY)
        made.probe_passed()
        made.passed()


def test_the_failures_of_several_events_are_not_added_up() -> None:
    """An event is the cause only after four failures of its own, even if other events fail in between."""
    made = breaker(1)
    made.failed(["one"], AWAY)
    made.probe_passed()
    tries = ["one", "another", "third"] * 3
    for event in tries:
        assert not made.failed([event], AWAY)
        made.probe_passed()
    assert made.failed(["one"], AWAY)


def test_batches_grow_again() -> None:
    """After a split, each success doubles the limit, up to the maximum."""
    made = breaker(64)
    made.refused(64)
    assert made.limit == 32
    assert made.is_careful
    for expected in (64, 64):
        made.passed()
        assert made.limit == expected
    assert not made.is_careful


@given(st.lists(st.sampled_from(["fail", "pass", "refuse", "probe_pass", "probe_fail"]), max_size=60))
def test_a_call_may_always_carry_one_event_at_least(steps: list[str]) -> None:
    """The limit stays between 1 and the maximum, and the pause below the cap, after any steps."""
    made = breaker(16)
    fault: WorkerError = AWAY
    for step in steps:
        match step:
            case "fail":
                made.failed(events(made.limit), fault)
            case "pass":
                made.passed()
            case "refuse":
                made.refused(made.limit)
            case "probe_pass":
                made.probe_passed()
            case _:
                made.probe_failed(fault)
        assert 1 <= made.limit <= 16
        assert 0 <= made.wait <= CAP
