"""The calls without events that tell the worker whether Supabase accepts events."""

import threading
from collections.abc import Callable, Iterator
from unittest.mock import Mock

import pytest

from gateway.errors import DeploymentFault, TransientFault
from worker.breaker import Breaker
from worker.probe import Probe


@pytest.fixture
def hanging() -> Iterator[Callable[[], None]]:
    """A call that hangs until the end of the test."""
    over = threading.Event()
    yield lambda: (over.wait(30), None)[1]
    over.set()


def made(probe: Callable[[], None], *, is_open: bool, patience: float = 30) -> tuple[Probe, Breaker]:
    """Return the probes of a worker, and its breaker, whose next probe is due if it is open."""
    breaker = Breaker(500)
    if is_open:
        breaker.probe_failed(TransientFault("away"))
        breaker.clock = lambda: float("inf")
    return Probe(Mock(probe=probe), breaker, patience=patience), breaker


def fails(error: Exception) -> Callable[[], None]:
    """Return a call that raises the error."""
    return Mock(side_effect=error)


def test_a_probe_that_passes_closes_the_breaker() -> None:
    """The same events are then tried again, with care."""
    probe, breaker = made(lambda: None, is_open=True)
    assert probe.probe_if_due()
    assert not breaker.is_open
    assert breaker.is_careful


@pytest.mark.parametrize(
    ("error", "words"),
    [(DeploymentFault("run `botlive migrate`"), "run `botlive migrate`"), (KeyError("x"), "KeyError")],
)
def test_a_probe_that_fails_keeps_the_breaker_open(error: Exception, words: str) -> None:
    """The reason is that of the probe, also if it is a bug of ours."""
    probe, breaker = made(fails(error), is_open=True)
    assert not probe.probe_if_due()
    assert words in str(breaker.fault)


def test_a_probe_that_hangs_keeps_the_breaker_open(hanging: Callable[[], None]) -> None:
    """No answer in time is an outage, and does not hold the worker."""
    probe, breaker = made(hanging, is_open=True, patience=0.01)
    assert not probe.probe_if_due()
    assert "does not answer in time" in str(breaker.fault)


def test_a_first_probe_that_hangs_opens_the_breaker(hanging: Callable[[], None]) -> None:
    """It is waited for beside the work, until it is late."""
    probe, breaker = made(hanging, is_open=False, patience=1000)
    probe.start()
    probe.check_first()
    assert (probe.is_pending, breaker.is_open) == (True, False)
    late, breaker = made(hanging, is_open=False, patience=0)
    late.start()
    late.check_first()
    assert not late.is_pending
    assert "does not answer in time" in str(breaker.fault)
