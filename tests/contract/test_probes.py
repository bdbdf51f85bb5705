"""A short run of the probes; ``make probes`` is the long one."""

import pytest

from tests.contract.conftest import Target
from tests.probes.__main__ import told
from tests.probes.run import run


@pytest.mark.slow
def test_no_stranger_reaches_a_shop(target: Target) -> None:
    """Some hundreds of requests by strangers, nobodies and intruders; the owner's same requests succeed."""
    report = run(target, probes=640, seed=10)
    assert report.faults == [], told(report)
    assert report.total >= 640
    assert sum(report.controls.values()) >= 25
