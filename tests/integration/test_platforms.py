"""A platform that reads the Procfile can install and start this repository without changes."""

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import venv
from http import HTTPStatus
from pathlib import Path

import httpx
import pytest

from devstack.stack import Stack
from tests.integration.line import until

_ROOT = Path(__file__).parents[2]
_PIN = re.compile(r"^([a-z0-9.-]+)==([^\s;\\]+)", re.MULTILINE)
_LOGIN = {"RQ_DASHBOARD_USERNAME": "support", "RQ_DASHBOARD_PASSWORD": "correct horse"}


def pins(name: str) -> dict[str, str]:
    """The versions that a file of requirements asks for."""
    return dict(_PIN.findall((_ROOT / name).read_text(encoding="utf-8")))


def processes() -> dict[str, str]:
    """The commands of the Procfile by their names."""
    lines = (_ROOT / "Procfile").read_text(encoding="utf-8").splitlines()
    return {name: command.strip() for name, _, command in (line.partition(":") for line in lines)}


def test_the_platforms_file_says_what_the_others_say() -> None:
    """The versions of the worker and of the dashboard, and no other: else `make lock` was forgotten."""
    wanted = pins("requirements/worker.txt") | pins("requirements/dashboard.txt")
    assert pins("requirements.txt") == wanted
    text = (_ROOT / "requirements.txt").read_text(encoding="utf-8")
    assert "\n.\n" in text
    assert "--hash" not in text, "pip refuses a folder beside hashes"
    assert "file://" in text, "Railway's builder would install without the repository at hand"


def test_the_process_that_serves_http_is_called_web() -> None:
    """Platforms give a port and an address to that one alone."""
    assert {name: command.split()[:2] for name, command in processes().items()} == {
        "web": ["botlive", "dashboard"],
        "worker": ["botlive", "worker"],
        "release": ["botlive", "migrate"],
    }


def test_the_python_version_is_one_that_we_run_on() -> None:
    """The newest patch of it: a platform takes what it has."""
    version = (_ROOT / ".python-version").read_text(encoding="utf-8").strip()
    assert version == "3.11"


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of what is committed, installed in an empty environment as a platform does; its `bin`."""
    folder = tmp_path_factory.mktemp("platform")
    copy = folder / "app"
    kept = subprocess.run(
        [str(shutil.which("git")), "ls-files"], cwd=_ROOT, capture_output=True, text=True, check=True
    ).stdout.splitlines()
    for name in filter(lambda name: (_ROOT / name).is_file(), kept):
        (copy / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(_ROOT / name, copy / name)
    venv.create(folder / "venv")
    bin_ = folder / "venv" / "bin"
    done = pip(bin_, "install", "--quiet", "--no-compile", "-r", "requirements.txt", cwd=copy)
    assert done.returncode == 0, done.stderr
    return bin_


def pip(bin_: Path, *arguments: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Run the pip of this machine on that environment: one of its own would take seconds to install."""
    machine = Path(sys.base_prefix, "bin", "python3")
    command = [str(machine), "-m", "pip", "--python", str(bin_ / "python"), *arguments]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=500, check=False)


def environment(stack: Stack, bin_: Path, **more: str) -> dict[str, str]:
    """Return the environment of a platform: only its settings."""
    settings = {name: value for name, value in stack.environment.items() if name != "SUPABASE_JWT_SECRET"}
    return {
        **settings,
        "PATH": f"{bin_}{os.pathsep}{os.environ['PATH']}",
        "BOTLIVE_QUEUE": "platform",
        **more,
    }


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_what_a_platform_installs_runs(stack: Stack, installed: Path, tmp_path: Path) -> None:
    """Every command is there, the migration is applied, and the worker works, without the repository."""
    for command in ("botlive --help", processes()["release"], f"{processes()['worker']} --burst"):
        done = subprocess.run(
            command.split(),
            executable=str(installed / "botlive"),
            cwd=tmp_path,
            env=environment(stack, installed),
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, done.stderr
    checked = pip(installed, "check")
    assert checked.returncode == 0, checked.stdout


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_the_web_process_listens_where_the_platform_says(
    stack: Stack, installed: Path, tmp_path: Path
) -> None:
    """It listens on PORT at every address, and requires the login."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen(
            processes()["web"].split(),
            executable=str(installed / "botlive"),
            cwd=tmp_path,
            env=environment(stack, installed, PORT=str(port), **_LOGIN),
            stdout=log,
            stderr=log,
        )
    try:
        until(lambda: answers(port), 30)
        page = f"http://127.0.0.1:{port}/"
        assert httpx.get(page).status_code == HTTPStatus.UNAUTHORIZED
        name, password = _LOGIN.values()
        assert httpx.get(page, auth=(name, password)).status_code == HTTPStatus.OK
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait(timeout=10)


def answers(port: int) -> bool:
    """Return whether a server listens there."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
