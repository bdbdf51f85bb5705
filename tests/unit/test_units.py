"""The units of systemd: restarts, stops and privileges."""

import shlex
from configparser import ConfigParser
from pathlib import Path

import pytest

from operations.cli import COMMANDS
from worker import consumer

_ROOT = Path(__file__).parents[2]
_UNITS = sorted((_ROOT / "deploy/systemd").glob("*.service"))


def _seconds(duration: str) -> float:
    return float(duration.removesuffix("s"))


def _unit(path: Path) -> ConfigParser:
    unit = ConfigParser(strict=False, interpolation=None)
    unit.optionxform = str  # type: ignore[assignment,method-assign] # systemd's names have capitals
    unit.read_string(path.read_text(encoding="utf-8"))
    return unit


@pytest.mark.parametrize("path", _UNITS, ids=lambda path: path.name)
def test_a_unit_runs_a_command_without_privileges(path: Path) -> None:
    """It is not root, has no capability, and its command exists."""
    service = _unit(path)["Service"]
    program, command, *_ = shlex.split(service["ExecStart"])
    assert (Path(program).name, command in COMMANDS) == ("botlive", True)
    assert (service["User"], service["CapabilityBoundingSet"]) == ("botlive", "")
    assert (service["NoNewPrivileges"], service["ProtectSystem"]) == ("true", "strict")


@pytest.mark.parametrize("name", ["botlive-worker@.service", "botlive-dashboard.service"])
def test_systemd_restarts_always_and_waits_for_a_stop(name: str) -> None:
    """Any exit code is restarted, without a limit; SIGKILL comes after the worker's own limit."""
    unit = _unit(_ROOT / "deploy/systemd" / name)
    service = unit["Service"]
    assert (service["Restart"], unit["Unit"]["StartLimitIntervalSec"]) == ("always", "0")
    assert service["KillSignal"] == "SIGTERM"
    assert _seconds(service["TimeoutStopSec"]) > consumer._PATIENCE


def test_systemd_migrates_once() -> None:
    """The migration's unit ends by itself, and `systemctl start` waits for it."""
    unit = _unit(_ROOT / "deploy/systemd/botlive-migrate.service")
    assert unit["Service"]["Type"] == "oneshot"
    assert "Restart" not in unit["Service"]
    assert not unit.has_section("Install")
