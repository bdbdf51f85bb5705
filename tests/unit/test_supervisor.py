"""The supervisor of several worker processes: what its processes import, and how it ends."""

import signal
from pathlib import Path

import pytest

from operations.errors import ProcessesUnusable
from operations.supervisor import Supervisor


@pytest.fixture(autouse=True)
def _no_handlers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(signal, "signal", lambda *_: None)


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
