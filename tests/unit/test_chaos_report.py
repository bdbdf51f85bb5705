"""The chaos harness's answers: what is wrong, what did not come about, and how a fault is helped along."""

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from tests.chaos import conductor
from tests.chaos.conductor import Conductor, NotLanded
from tests.chaos.report import exit_code, last_line, missing, troubles
from tests.chaos.run import Outcome
from tests.chaos.schedule import Fault, Kind, schedule
from tests.chaos.stream import Plan
from tests.chaos.verdict import Verdict


@pytest.fixture
def green() -> Outcome:
    """A run in which all went well."""
    return Outcome(
        seed=1,
        events=500,
        landed=Counter(fault.kind for fault in schedule(1, 500)),
        stray=0,
        verdict=Verdict(),
        stuck="",
        robbed=0,
        left=0,
        rerun_max=1.0,
        stop_max=1.0,
        exits=[],
        infos=1,
        took=1.0,
    )


def test_a_green_run(green: Outcome) -> None:
    """Exit code 0."""
    assert (troubles(green), missing(green), exit_code(green)) == ([], [], 0)
    assert last_line(green).startswith("chaos: OK ")


def test_a_fault_that_did_not_come_about_is_no_trouble(green: Outcome) -> None:
    """It is said, with an exit code of its own, and the run is not called green."""
    landed = green.landed - Counter([Kind.CLAIMED])
    short = replace(green, landed=landed, stuck="portion 7: no worker had it in hand")
    assert troubles(short) == []
    assert missing(short) == [
        "did not come about: worker killed, claimed and not written, 1 of 2 times",
        "portion 7: no worker had it in hand",
    ]
    assert exit_code(short) == 3
    assert last_line(short).startswith("chaos: INCOMPLETE ")


def test_a_loss_outweighs_a_fault_that_did_not_come_about(green: Outcome) -> None:
    """A lost event is a failure even if some faults did not happen."""
    both = replace(green, verdict=Verdict(lost={"x"}), stuck="portion 7: no call came")
    assert troubles(both) == ["lost: 1, such as x"]
    assert exit_code(both) == 1
    assert last_line(both).startswith("chaos: FAILED ")


class _Hand(SimpleNamespace):
    """A fake for the conductor: a publisher that records its commands, and no worker."""

    def send(self, portion: int) -> None:
        """Noted."""
        self.sent.append(portion)

    def kill(self, portion: int) -> None:
        """Done."""


Making = Callable[[list[int]], tuple[Conductor, list[int]]]


@pytest.fixture
def making(monkeypatch: pytest.MonkeyPatch) -> Making:
    """A conductor over a queue that has these lengths one after the other, with no patience."""
    monkeypatch.setattr(conductor, "_PATIENCE", 0.0)
    monkeypatch.setattr(conductor, "_NUDGE", 0.0)
    monkeypatch.setattr(conductor, "_POLL", 0.0)
    monkeypatch.setattr(conductor, "intrude", lambda *_: None)

    def make(lengths: list[int]) -> tuple[Conductor, list[int]]:
        hand = _Hand(sent=[])
        site = SimpleNamespace(left=lambda: lengths.pop(0) if len(lengths) > 1 else lengths[0])
        workers: Any = SimpleNamespace(supervise=lambda: None, names=dict, exits=[])
        landing = SimpleNamespace(wait=lambda _: len(hand.sent) > 2)  # at the third publication
        proxy = SimpleNamespace(arm=lambda *_: SimpleNamespace(landed=landing))
        made = Conductor(Plan(1, 300, 1, 10), site, proxy, workers, [hand], SimpleNamespace())  # type: ignore[arg-type, list-item] # stand-ins
        return made, hand.sent

    return make


def test_a_nudge_is_no_repetition(making: Making, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each nudge publishes a new portion."""
    monkeypatch.setattr(conductor, "_PATIENCE", 60.0)
    made, sent = making([0])
    made.step(4, Fault(Kind.SLOW, 0.1, 1))
    assert sent == [4, 10, 11]
    assert made.landed == {Kind.SLOW: 1}


def test_a_portion_is_published_though_its_fault_does_not_come(making: Making) -> None:
    """Else what was never sent would be missed."""
    made, sent = making([0])
    with pytest.raises(NotLanded, match="portion 4: too few workers are up"):
        made.step(4, Fault(Kind.CLAIMED, 0.1, 1))
    assert sent == [4]
    assert made.landed.total() == 0


def test_a_backlog_that_moves_is_waited_for(making: Making) -> None:
    """A shrinking backlog is waited for, however long it is; otherwise the fault did not happen."""
    made, _ = making([900, 800, 700, 600, 3])
    made.step(4, Fault(Kind.PUBLISHER, 0.1, 1))
    assert made.landed == {Kind.PUBLISHER: 1}
    with pytest.raises(NotLanded, match="portion 4: the backlog stays"):
        making([900])[0].step(4, Fault(Kind.SLOW, 0.1, 1))
