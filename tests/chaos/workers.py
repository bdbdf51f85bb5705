"""The worker processes: killed, stopped, and started again as a supervisor would."""

import random
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from itertools import count
from pathlib import Path

from tests.chaos.site import Site

_BOTLIVE = str(Path(sys.executable).parent / "botlive")
_LONGEST_STOP = 20.0  # seconds, after which a stop counts as that long


class Workers:
    """So many of them at any time, but for those that are just starting."""

    def __init__(self, site: Site, number: int, environment: Mapping[str, str], folder: Path) -> None:
        self.exits: list[str] = []
        """How those ended that nobody had asked to."""
        self.stops: list[float] = []
        """Seconds from SIGTERM to the exit."""
        self._site = site
        self._environment = environment
        self._folder = folder
        self._serial = count()
        self._logs: dict[subprocess.Popen[bytes], Path] = {}
        self._leaving: list[threading.Thread] = []
        self._alive = [self._start() for _ in range(number)]

    def names(self) -> dict[str, subprocess.Popen[bytes]]:
        """Return the workers that have registered with RQ, by their names there."""
        registered = self._site.pids()
        return {registered[one.pid]: one for one in self._alive if one.pid in registered}

    def idle(self, dice: random.Random) -> tuple[str, subprocess.Popen[bytes]] | None:
        """Return a random worker without claimed jobs, if there is one."""
        holding = set(self._site.holders().values())
        free = [pair for pair in self.names().items() if pair[0] not in holding]
        return dice.choice(free) if free else None

    def are_leaving(self) -> bool:
        """Whether a worker that was asked to stop is still running."""
        return any(thread.is_alive() for thread in self._leaving)

    def kill(self, process: subprocess.Popen[bytes]) -> None:
        """SIGKILL; another takes its place."""
        process.kill()
        process.wait()
        self._replace(process)

    def stop(self, process: subprocess.Popen[bytes]) -> None:
        """SIGTERM, its time taken; another takes its place."""
        process.terminate()
        self._replace(process)
        self._leave(process)

    def supervise(self) -> None:
        """Replace those that ended of themselves, and note it."""
        for process in [one for one in self._alive if one.poll() is not None]:
            last = self._logs[process].read_text(encoding="utf-8", errors="replace").splitlines()[-3:]
            self.exits.append(f"exit code {process.returncode}: {' '.join(last)}")
            self._replace(process)

    def stop_all(self) -> None:
        """SIGTERM to all, their times taken."""
        self.supervise()
        for process in self._alive:
            process.terminate()
            self._leave(process)
        for thread in self._leaving:
            thread.join()

    def kill_all(self) -> None:
        """Leave none behind."""
        for process in self._alive:
            process.kill()
            process.wait()

    def _replace(self, process: subprocess.Popen[bytes]) -> None:
        self._alive[self._alive.index(process)] = self._start()

    def _start(self) -> subprocess.Popen[bytes]:
        path = self._folder / f"worker-{next(self._serial)}.log"
        with path.open("wb") as log:
            process = subprocess.Popen([_BOTLIVE, "worker"], env=self._environment, stderr=log)
        self._logs[process] = path
        return process

    def _leave(self, process: subprocess.Popen[bytes]) -> None:
        thread = threading.Thread(target=self._time, args=(process, time.monotonic()))
        thread.start()
        self._leaving.append(thread)

    def _time(self, process: subprocess.Popen[bytes], since: float) -> None:
        try:
            process.wait(_LONGEST_STOP)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        self.stops.append(time.monotonic() - since)
