"""Several worker processes under one supervisor: restarts, ports, and the common end."""

import signal
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest
from structlog.testing import capture_logs

from operations import supervisor as module
from operations.errors import ProcessesUnusable, ProcessKilled
from operations.supervisor import Supervisor


@pytest.fixture(autouse=True)
def _no_handlers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Signals of this process stay with pytest."""
    monkeypatch.setattr(signal, "signal", lambda *_: None)


class Process:
    """A process that ends by itself with a code, or at a stop, or never."""

    def __init__(self, code: int | None, *, stubborn: bool = False) -> None:
        self._code = code
        self._stubborn = stubborn
        self.got: list[str] = []

    def poll(self) -> int | None:
        """Return its code if it has ended."""
        return self._code

    def terminate(self) -> None:
        """Ask it to stop."""
        self.got.append("terminate")

    def kill(self) -> None:
        """End it."""
        self.got.append("kill")
        self._stubborn = False

    def wait(self, timeout: float | None = None) -> int:
        """Wait until it has ended."""
        if self._stubborn:
            raise subprocess.TimeoutExpired("botlive", timeout or 0)
        return self._code or 0


class Machine:
    """Starts the processes in turn, in a time of its own, and sends SIGTERM to the supervisor at its end."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *processes: Process, seconds: float = 1) -> None:
        self.now = 0.0
        self.environments: list[dict[str, str]] = []
        self._left = [*processes]
        self._seconds = seconds
        self._stop: Callable[..., Any] = Mock()
        monkeypatch.setattr(module, "time", Mock(monotonic=lambda: self.now, sleep=self._sleep))
        monkeypatch.setattr("operations.supervisor.signal.signal", self._handle)
        monkeypatch.setattr("operations.supervisor.subprocess.Popen", self._start)

    def _handle(self, number: int, react: Callable[..., Any]) -> None:
        self._stop = react

    def _start(self, arguments: list[str], env: dict[str, str]) -> Process:
        self.environments.append(env)
        return self._left.pop(0)

    def _sleep(self, seconds: float) -> None:
        self.now += seconds
        if self.now >= self._seconds:
            self._stop(signal.SIGTERM, None)


def test_a_process_that_ends_is_started_again_after_a_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    """The line says its code. A process that runs is not touched until the stop."""
    steady, crashing, next_one = Process(None), Process(1), Process(None)
    Machine(monkeypatch, steady, crashing, next_one, seconds=3)
    with capture_logs() as lines:
        Supervisor(["worker"], 2).run(burst=False)
    assert [(line["event"], line["number"], line["code"]) for line in lines] == [
        ("a worker process ended", 2, 1)
    ]
    assert 0.5 <= lines[0]["restart_in"] <= 1
    assert steady.got == next_one.got == ["terminate"]
    assert crashing.got == []


def test_a_process_that_does_not_stop_is_killed_and_that_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its jobs stay claimed until another worker recovers them: the exit code must say so."""
    good, hanging = Process(None), Process(None, stubborn=True)
    Machine(monkeypatch, good, hanging)
    with pytest.raises(ProcessKilled):
        Supervisor(["worker"], 2).run(burst=False)
    assert good.got == ["terminate"]
    assert hanging.got == ["terminate", "kill"]


def test_a_setting_that_cannot_be_used_ends_all(monkeypatch: pytest.MonkeyPatch) -> None:
    """A restart does not help."""
    wrong, other = Process(2), Process(None)
    Machine(monkeypatch, wrong, other)
    with pytest.raises(ProcessesUnusable):
        Supervisor(["worker"], 2).run(burst=False)
    assert other.got == ["terminate"]


def test_a_burst_ends_when_all_have_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody has to stop it."""
    machine = Machine(monkeypatch, Process(0), Process(0), seconds=99)
    Supervisor(["worker", "--burst"], 2).run(burst=True)
    assert machine.now < 1


def test_each_process_has_a_port_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a port in the environment they have none."""
    monkeypatch.setenv("BOTLIVE_METRICS_PORT", "9000")
    machine = Machine(monkeypatch, Process(0), Process(0))
    Supervisor(["worker", "--burst"], 2).run(burst=True)
    assert [each["BOTLIVE_METRICS_PORT"] for each in machine.environments] == ["9000", "9001"]


def test_a_module_in_the_current_folder_hides_none_of_ours(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The chat's folder may have an ``events.py`` or a ``worker.py``, as for ``botlive worker`` alone."""
    for name in ("events", "worker", "operations"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit(2)\n")
    monkeypatch.chdir(tmp_path)
    Supervisor(["--version"], 1).run(burst=True)


def test_processes_that_cannot_run_are_no_bug(
    capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    """The line of the process says why; the last line refers to it, and no restart is announced."""
    with pytest.raises(ProcessesUnusable, match="do what its own line says"):
        Supervisor(["no-such-command"], 1).run(burst=True)
    printed = capfd.readouterr()
    assert "No such command" in printed.err
    assert "restart" not in f"{printed.out} {printed.err} {caplog.text}"
