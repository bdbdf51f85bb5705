"""The doctor compares the clocks of the servers with this machine's."""

import time

import pytest

from operations.doctor import clock
from operations.doctor.result import Level


@pytest.mark.parametrize(
    ("ahead", "levels"), [(0, []), (3, []), (60, [Level.WARNING]), (-60, [Level.WARNING])]
)
def test_a_clock_that_is_wrong_is_a_warning(ahead: float, levels: list[Level]) -> None:
    """More than five seconds ahead or behind; the line says how far, and the cure."""
    results = [*clock.check("Redis", lambda: time.time() + ahead, "synchronise")]
    assert [result.level for result in results] == levels
    assert all(f"{ahead:+.0f} s" in result.what and result.cure == "synchronise" for result in results)


@pytest.mark.parametrize("moment", [0.0, 15.0, 30.0])
def test_a_server_that_answers_late_has_no_wrong_clock(
    monkeypatch: pytest.MonkeyPatch, moment: float
) -> None:
    """It restarted meanwhile: its clock was read at any moment of the 30 s of the call."""
    times = iter([1000.0, 1030.0])
    monkeypatch.setattr(time, "time", lambda: next(times))
    assert [*clock.check("Redis", lambda: 1000.0 + moment, "synchronise")] == []
