"""Starts the processes of a run, and waits for conditions."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import psutil  # it has no types

PROJECT = Path(__file__).parent.parent
OURS = Path(sys.executable).parent
PEERS = PROJECT / ".venv-peers" / "bin"
PATIENCE = 120.0
"""Seconds after which a run counts as failed."""

_AT_HOME = {"botlive", "rq", "raw", "inline"}  # the modules of bench.queues that need no other venv


class BenchError(Exception):
    """A run has no figure; the message says why."""


class Incorrect(BenchError):
    """Rows are missing, or there are too many rows."""


@contextmanager
def running(
    command: Sequence[str], environment: Mapping[str, str], *, stopped: bool = False
) -> Iterator[psutil.Process]:
    """Run a process in its own group; at the end of the block, stop it (``stopped``) and kill the group."""
    process = subprocess.Popen(
        command,
        env=environment,
        cwd=PROJECT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        yield psutil.Process(process.pid)
        if stopped:
            process.terminate()
            until(lambda: process.poll() is not None, "the process did not stop", patience=15)
    finally:
        # Killed: nothing of the run is needed any more, and some contenders need ten seconds to stop.
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait(timeout=10)


class Producer:
    """A running ``bench.producer`` process."""

    def __init__(self, queue: str, environment: Mapping[str, str]) -> None:
        self._queue = queue
        python = (OURS if queue in _AT_HOME else PEERS) / "python"
        self._process = subprocess.Popen(
            [str(python), "-m", "bench.producer", queue],
            env=environment,
            cwd=PROJECT,
            text=True,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )

    def publish(self, file: Path, how: str) -> dict[str, Any]:
        """Publish the file's events and return the measured times.

        Raises:
            BenchError: the producer failed.
        """
        assert self._process.stdin
        assert self._process.stdout
        try:
            self._process.stdin.write(json.dumps({"file": str(file), "how": how}) + "\n")
            self._process.stdin.flush()
            return dict(json.loads(self._process.stdout.readline()))
        except (OSError, ValueError):
            raise BenchError(f"the producer of {self._queue} failed") from None

    def close(self) -> None:
        """Kill the process."""
        self._process.kill()
        with suppress(OSError):  # unread output
            self._process.communicate()


def until(
    condition: Callable[[], bool], complaint: str, *, pause: float = 0.02, patience: float = PATIENCE
) -> None:
    """Wait until the condition holds.

    Raises:
        BenchError: the condition did not hold within ``patience`` seconds.
    """
    deadline = time.monotonic() + patience
    while not condition():
        if time.monotonic() > deadline:
            raise BenchError(complaint)
        time.sleep(pause)


def free_port() -> int:
    """Return a free port of the loopback interface."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def listens(port: int) -> bool:
    """Whether a server listens on this port of the loopback interface."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
