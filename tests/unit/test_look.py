"""How many waiting jobs a claim examines to find events of other shops."""

from types import SimpleNamespace
from typing import Any

import fakeredis
import pytest

from worker import claims
from worker.claims import Claims

_MOST = 500


def test_a_claim_examines_more_jobs_if_claims_are_rare(monkeypatch: pytest.MonkeyPatch) -> None:
    """A claim examines at least a batch, at most 2,000 jobs, and 24,000 a second between these."""
    now, examined = 0.0, []
    monkeypatch.setattr(claims, "time", SimpleNamespace(monotonic=lambda: now))
    made = Claims(fakeredis.FakeStrictRedis(), "botlive", "worker")

    def claim(keys: Any, args: Any) -> list[bytes]:
        examined.append(args[2])
        return [b"batch"]

    monkeypatch.setattr(made, "_claim", claim)
    for pause in (0.0, 0.0, 0.02, 0.0625, 1.0):
        now += pause
        made.claim(_MOST)
    assert examined == [2_000, 500, 500, 1_500, 2_000]
