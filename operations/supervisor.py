"""Runs several worker processes, on a machine with several cores: restarts them, and stops them together."""

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from types import FrameType

import structlog

from gateway.settings import HealthSettings
from operations.errors import ProcessesUnusable, ProcessKilled
from operations.exits import ExitCode

GRACE = 15.0
"""Seconds that a stop waits for the workers: each of them stops within 10 s."""

_TICK = 0.1  # seconds
_STEADY = 60.0  # seconds of life after which the next restart does not wait
_LONGEST = 30.0  # seconds before a restart, at most


@dataclass
class _Place:
    """One of the processes, and what follows it."""

    number: int
    process: subprocess.Popen[bytes] | None = None
    started: float = 0.0
    due: float = 0.0
    ends: int = 0
    """How often it ended soon after its start, in a row."""


@dataclass
class Supervisor:
    """Keeps a number of processes of one command running."""

    command: Sequence[str]
    """The arguments of ``botlive`` for each process."""
    processes: int
    _stopping: bool = field(default=False, init=False)

    def run(self, *, burst: bool) -> None:
        """Run until SIGTERM or SIGINT; with ``burst``, until every process has ended by itself.

        Raises:
            ProcessesUnusable: a process cannot run with these settings.
            ProcessKilled: a process had to be killed at the stop.
        """
        self._log = structlog.stdlib.get_logger("botlive")
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._stop)
        places = [_Place(number) for number in range(1, self.processes + 1)]
        is_wrong = False
        while places and not self._stopping and not is_wrong:
            for place in list(places):
                if place.process is None:
                    self._start(place)
                elif (code := place.process.poll()) is not None:
                    if code == ExitCode.WRONG_CALL:  # a restart does not help
                        is_wrong = True
                    elif burst and code == 0:
                        places.remove(place)
                    else:
                        self._ended(place, code)
            time.sleep(_TICK)
        is_killed = self._end(places)
        if is_wrong:
            raise ProcessesUnusable
        if is_killed:
            raise ProcessKilled

    def _start(self, place: _Place) -> None:
        now = time.monotonic()
        if now < place.due:
            return
        # -P: a module in the current folder, such as the chat's own events.py, must not hide ours.
        arguments = [sys.executable, "-P", "-m", "operations.cli", *self.command]
        environment = _environment(place.number)
        place.process = subprocess.Popen(arguments, env=environment)  # noqa: S603 # our own command
        place.started = now

    def _ended(self, place: _Place, code: int) -> None:
        now = time.monotonic()
        place.ends = 1 if now - place.started > _STEADY else place.ends + 1
        pause = min(_LONGEST, 0.5 * 2**place.ends) * random.uniform(0.5, 1)  # noqa: S311 # no secret
        place.process, place.due = None, now + pause
        self._log.error("a worker process ended", number=place.number, code=code, restart_in=round(pause, 1))

    def _stop(self, *_: int | FrameType | None) -> None:
        self._stopping = True

    def _end(self, places: Sequence[_Place]) -> bool:
        """Stop all processes together. Returns whether one had to be killed."""
        running = [place.process for place in places if place.process]
        for process in running:
            process.terminate()
        deadline = time.monotonic() + GRACE
        is_killed = False
        for process in running:
            try:
                process.wait(max(0.0, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
                is_killed = True
        return is_killed


def _environment(number: int) -> dict[str, str]:
    """The environment of a process: each has the next port for its HTTP endpoints."""
    port = HealthSettings.from_env().port
    return {**os.environ, **({"BOTLIVE_METRICS_PORT": str(port + number - 1)} if port else {})}
