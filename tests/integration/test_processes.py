"""``botlive worker --processes``: several workers under one supervisor."""

import os
import signal
import subprocess
from collections.abc import Iterator

import pytest

from operations.status import read
from tests.integration.line import BOTLIVE_WORKER, Line, end, until
from tests.make import payment

pytestmark = pytest.mark.slow


@pytest.fixture
def supervisor(line: Line) -> Iterator[subprocess.Popen[str]]:
    """Two processes on the queue, alive."""
    command = [*BOTLIVE_WORKER, "--processes", "2"]
    with subprocess.Popen(command, env=line.environment, text=True, stderr=subprocess.PIPE) as process:
        until(lambda: len(pids(line)) == 2, 60)
        yield process
        end(process)


def pids(line: Line) -> set[int]:
    """The processes of the workers that are alive."""
    names = [worker.name for worker in read(line.redis, line.name).workers if worker.state != "dead"]
    found = [line.redis.hget(f"rq:worker:{name}", "pid") for name in names]
    return {int(pid) for pid in found if pid and is_alive(int(pid))}


def is_alive(pid: int) -> bool:
    """Whether there is such a process."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_a_killed_process_is_replaced_and_nothing_is_lost(
    line: Line, supervisor: subprocess.Popen[str]
) -> None:
    """The other goes on meanwhile; a stop ends all of them, gracefully."""
    company_id, uuid = line.shop()
    first = pids(line)
    os.kill(min(first), signal.SIGKILL)
    line.publisher.publish_many([payment(company_id) for _ in range(20)])
    until(lambda: len(line.rows([uuid]).activities) == 20, 30)
    until(lambda: len(pids(line)) == 2 and pids(line) != first, 60)
    assert len(pids(line) & first) == 1
    supervisor.terminate()
    assert supervisor.wait(timeout=30) == 0
    assert pids(line) == set()
    assert supervisor.stderr is not None
    assert "a worker process ended" in supervisor.stderr.read()


def test_a_burst_ends_when_all_processes_have_ended(line: Line) -> None:
    """The queue is empty then, and the exit code is 0."""
    company_id, uuid = line.shop()
    line.publisher.publish_many([payment(company_id) for _ in range(50)])
    done = line.run(*BOTLIVE_WORKER, "--burst", "--processes", "2")
    assert (done.returncode, len(line.rows([uuid]).activities)) == (0, 50)


def test_a_setting_that_cannot_be_used_ends_all(line: Line) -> None:
    """A restart would not help: it ends, with the reason."""
    line.environment["REDIS_URL"] = line.environment["REDIS_URL"].replace("//", "//user:wrong@")
    done = line.run(*BOTLIVE_WORKER, "--processes", "2")
    assert done.returncode == 1
    assert "Redis refuses the user or the password" in done.stderr
