"""The worker's scripts in a Redis that restarts at any moment."""

from unittest.mock import Mock

import pytest
from redis.exceptions import NoScriptError

from tests.unit.scripted import ScriptedRedis
from worker.scripts import script


def test_a_restart_after_a_script_was_loaded_fails_no_call(monkeypatch: pytest.MonkeyPatch) -> None:
    """The call runs, although Redis has forgotten the script twice: before it was loaded and afterwards."""
    connection = ScriptedRedis()
    connection.hset("rq:job:one", "status", "failed")
    versions = script(connection, "versions")
    expected = versions(args=["one", "two"])
    evalsha = Mock(side_effect=NoScriptError("No matching script."))
    monkeypatch.setattr(connection, "evalsha", evalsha)
    assert versions(args=["one", "two"]) == expected
    assert evalsha.call_count == 2
