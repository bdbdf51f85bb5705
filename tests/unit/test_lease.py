"""The lease of a worker: others recover its jobs if it is not renewed."""

import time

import fakeredis
import pytest

from tests.unit.scripted import ScriptedRedis
from tests.unit.waiting import until
from worker import claims as module
from worker.claims import Claims

LEASE = "botlive:lease:botlive-me"


def test_a_lease_is_renewed_again_after_an_outage(monkeypatch: pytest.MonkeyPatch) -> None:
    """A failed renewal does not end the thread; without it the worker would count as dead for good."""
    monkeypatch.setattr(module, "_RENEWAL", 0.001)
    server = fakeredis.FakeServer()
    redis = ScriptedRedis(server=server)
    claims = Claims(redis, "botlive", "botlive-me")
    claims.hold_lease()
    assert redis.exists(LEASE)
    server.connected = False
    time.sleep(0.05)
    server.connected = True
    redis.delete(LEASE)
    until(lambda: redis.exists(LEASE), 60)
    claims.drop_lease()
