"""Jobs planted by an attacker in Redis: no command of the documents calls or unpickles them."""

import json
import os
import re
import shlex
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
import redis

from devstack.stack import Stack
from devstack.valkey import Valkey
from tests.integration.line import BIN
from tests.integration.planted import MARKS, plant
from tests.integration.test_rq_native import DASHBOARD, ROOT

pytestmark = pytest.mark.slow

QUEUE = "botlive"
DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
_COMMAND = re.compile(r"(?:^[$#] |`)((?:rq|botlive|redis-cli) [a-z-][^`\n]*)", re.MULTILINE)
PAGES = [
    *(
        f"/0/data/jobs/{QUEUE}/{place}/100/asc/1.json"
        for place in ("queued", "started", "failed", "finished")
    ),
    *(f"/0/data/jobs/{QUEUE}/{place}/100/dsc/1.json" for place in ("deferred", "scheduled", "canceled")),
    "/0/data/queues.json",
    "/0/data/workers.json",
    "/0/data/job/queue-pickle.json",
    "/0/view/job/failed-meta",
]


def documented() -> list[str]:
    """The commands of the documents: in a line of a console, or between backticks."""
    found = (match for path in DOCUMENTS for match in _COMMAND.findall(path.read_text(encoding="utf-8")))
    return sorted({re.sub(r"\s+# .*", "", command).strip() for command in found})


OF_RQ = [command for command in documented() if command.startswith("rq ")]
OURS = ["botlive worker --burst", "botlive failures", "botlive failures show failed-pickle", "botlive status"]
OPEN = [
    f"rq info {QUEUE}",
    f"rq info -S json -j worker.event_job.EventJob {QUEUE}",
    f"rq worker -b -S json {QUEUE}",
]


class Site(NamedTuple):
    """A Redis in which jobs are planted, and where they leave their marks."""

    redis: redis.Redis
    environment: dict[str, str]
    marks: Path

    def run(self, *command: str, stdin: str | None = None) -> subprocess.CompletedProcess[str]:
        """A command."""
        return subprocess.run(
            command,
            env=self.environment,
            cwd=ROOT,
            input=stdin,
            text=True,
            capture_output=True,
            timeout=60,
            check=False,
        )

    def left(self) -> list[str]:
        """The marks that were left."""
        return [path.name for path in self.marks.iterdir()]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """A Redis of this module's own; its port."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    valkey = Valkey(tmp_path_factory.mktemp("valkey"), port)
    valkey.start()
    yield port
    valkey.stop()


@pytest.fixture
def site(server: int, stack: Stack, tmp_path: Path) -> Iterator[Site]:
    """A Redis with newly planted jobs."""
    marks = tmp_path / "marks"
    marks.mkdir()
    (tmp_path / "marks.py").write_text(MARKS)
    environment = {
        **os.environ,
        **stack.environment,
        "REDIS_URL": f"redis://127.0.0.1:{server}/0",
        "MARKS": str(marks),
        "PYTHONPATH": str(tmp_path),
    }
    with redis.Redis(port=server) as connection:
        connection.flushall()
        plant(connection, QUEUE, marks)
        yield Site(connection, environment, marks)


def arguments(command: str) -> list[str]:
    """As they are run: of a worker until nothing waits, and of a planted job."""
    name, *rest = shlex.split(command.replace(" ID", " failed-system"))
    burst = ["--burst"] if rest[0] == "worker" and not {"-b", "--burst"} & {*rest} else []
    return [str(BIN / name), rest[0], *burst, *rest[1:]]


@pytest.mark.parametrize("command", [*OF_RQ, *OURS])
def test_no_documented_command_calls_what_is_planted(site: Site, command: str) -> None:
    """Each does its part, with ten kinds of hostile jobs in each place where RQ looks for jobs."""
    done = site.run(*arguments(command))
    assert done.returncode == 0, done.stdout + done.stderr
    assert site.left() == []


def test_the_documents_name_the_commands() -> None:
    """Those of RQ's that are known to be open are not among them, nor has one a password on its line."""
    assert {shlex.split(command)[1] for command in OF_RQ} == {
        "info",
        "worker",
        "requeue",
        "suspend",
        "resume",
    }
    for text in documented():
        command = re.sub(r"\$\(.*?\)", "", text)  # another program's options
        assert "://" not in command or "REDIS_URL" in command, command
        assert not {"--url", "-u", "-a"} & {*command.split()}, command


@pytest.mark.parametrize("command", OPEN)
def test_what_is_planted_does_bite(site: Site, command: str) -> None:
    """The control: without our classes RQ calls the planted function."""
    site.run(*arguments(command))
    assert site.left()


def test_the_dashboard_calls_nothing_and_shows_all(site: Site) -> None:
    """Each list, each page of a job; requeue too."""
    requests = [("GET", page) for page in PAGES] + [("POST", "/job/failed-pickle/requeue")]
    done = site.run(sys.executable, "-c", DASHBOARD, stdin=json.dumps(requests))
    assert done.returncode == 0, done.stderr[-2_000:]
    answers = [json.loads(text) for text in done.stdout.splitlines()]
    assert [(path, status) for path, status, _ in answers] == [(path, 200) for _, path in requests]
    assert [len(json.loads(text)["jobs"]) for path, _, text in answers if "/jobs/" in path] == [10] * 7
    assert site.left() == []
