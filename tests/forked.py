"""Starts ``botlive`` as a fork of a process that has imported its modules.

The imports of a worker take a second of processor time, and the tests start hundreds of workers and
commands. A fork has its own environment, files, signals and end, like any process. Python has started
already, so a fork ignores the variables that Python reads at its start, such as ``PYTHONPATH``. Tests of the
start itself run the script, such as those in ``test_cli.py``, ``test_streams.py`` and ``test_checklist.py``.
"""

import atexit
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory

from operations.cli import COMMANDS, main
from tests.children import end

BOTLIVE = str(Path(sys.executable).parent / "botlive")

_MODULES = [command.target.partition(":")[0] for command in COMMANDS.values() if command.extra == "worker"]
_PYTHON = get_context("forkserver")
_PYTHON.set_forkserver_preload(
    [__name__, "tests.certificates", "httpcore", "supabase", "worker.consumer", "worker.tracing", *_MODULES]
)


class Fork:
    """A process with the methods of ``Popen`` that tests use."""

    def __init__(
        self,
        arguments: Sequence[str],
        environment: Mapping[str, str],
        *,
        stdin: Path = Path(os.devnull),
        stdout: Path = Path(os.devnull),
        stderr: Path = Path(os.devnull),
        cwd: Path | None = None,
    ) -> None:
        paths = (stdin, stdout, stderr)
        self._process = _PYTHON.Process(
            target=_botlive, args=(list(arguments), dict(environment), paths, cwd or Path.cwd())
        )
        self._process.start()
        self.pid = int(self._process.pid or 0)

    def poll(self) -> int | None:
        """Return the exit code, or None while the process runs."""
        return self._process.exitcode

    def wait(self, timeout: float | None = None) -> int:
        """Wait for the end, and return the exit code.

        Raises:
            subprocess.TimeoutExpired: the process still runs.
        """
        self._process.join(timeout)
        if (code := self.poll()) is None:
            raise subprocess.TimeoutExpired("botlive", timeout or 0)
        return code

    def send_signal(self, number: int) -> None:
        """Send a signal, if the process still runs."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        """Send SIGTERM."""
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """Send SIGKILL."""
        self.send_signal(signal.SIGKILL)


@contextmanager
def running(
    arguments: Sequence[str], environment: Mapping[str, str], *, stderr: Path = Path(os.devnull)
) -> Iterator[Fork]:
    """Run ``botlive`` with these arguments, and kill it at the end of the block."""
    process = Fork(arguments, environment, stderr=stderr)
    try:
        yield process
    finally:
        end(process)


def run(
    arguments: Sequence[str],
    environment: Mapping[str, str],
    *,
    input: str = "",  # noqa: A002 # as of `subprocess.run`
    cwd: Path | None = None,
    timeout: float = 90,
) -> subprocess.CompletedProcess[str]:
    """Run ``botlive`` with these arguments, and return what ``subprocess.run`` returns."""
    with TemporaryDirectory(prefix="botlive-fork-") as folder:
        stdin, stdout, stderr = (Path(folder, name) for name in ("in", "out", "err"))
        stdin.write_text(input, encoding="utf-8")
        process = Fork(arguments, environment, stdin=stdin, stdout=stdout, stderr=stderr, cwd=cwd)
        try:
            code = process.wait(timeout)
        finally:
            process.kill()
            process.wait(10)
        said = [path.read_text(encoding="utf-8") for path in (stdout, stderr)]
    return subprocess.CompletedProcess([BOTLIVE, *arguments], code, *said)


def _botlive(
    arguments: list[str], environment: dict[str, str], paths: tuple[Path, Path, Path], folder: Path
) -> None:
    """Become ``botlive`` in this process."""
    for descriptor, path in enumerate(paths):
        opened = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND * (descriptor > 0), 0o600)
        os.dup2(opened, descriptor)
        os.close(opened)
    sys.stdin = open(0, encoding="utf-8", closefd=False)  # noqa: SIM115 # multiprocessing has closed it
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    time.tzset()
    sys.argv = [BOTLIVE, *arguments]
    try:
        main()
    finally:
        atexit._run_exitfuncs()  # multiprocessing ends a process without them
