"""A server process that is started, stopped, killed and started again on the same port."""

import os
import pwd
import signal
import subprocess
import time
from abc import ABC, abstractmethod
from pathlib import Path

import psutil

from devstack import processes

_START_TIMEOUT = 30.0  # seconds
_STOP_TIMEOUT = 10.0  # seconds
_POLL = 0.01  # seconds


class ServerError(RuntimeError):
    """A server did not start. The message ends with the last lines of its log."""


class Server(ABC):
    """A server that keeps its files in `directory` and listens on 127.0.0.1:`port`.

    Any process that knows the directory can stop, kill or start it.
    """

    name: str
    stop_signal = signal.SIGTERM

    def __init__(self, directory: Path, port: int) -> None:
        self.directory = directory
        self.port = port
        self._child: subprocess.Popen[bytes] | None = None

    @property
    def log(self) -> Path:
        """The file with its output."""
        return self.directory.with_suffix(".log")

    @property
    def pids(self) -> list[int]:
        """The ids of its running main processes: one, or none."""
        return [process.pid for process in self._processes()]

    @abstractmethod
    def prepare(self) -> None:
        """Create its directory and files where they are missing."""

    @abstractmethod
    def command(self) -> list[str]:
        """Return the command line. It names the directory, by which the process is found again."""

    @abstractmethod
    def answers(self) -> bool:
        """Return whether it answers a real request."""

    def environment(self) -> dict[str, str]:
        """Return the variables to add to the environment."""
        return {}

    def account(self) -> pwd.struct_passwd | None:
        """Return the user to run as; None means the current user."""
        return None

    def start(self) -> None:
        """Start it unless it is running, and wait until it answers."""
        self.launch()
        self.wait()

    def launch(self) -> None:
        """Start it unless it is running, and do not wait."""
        if not self._processes():
            self.prepare()
            self._spawn()

    def wait(self) -> None:
        """Wait until it answers.

        Raises:
            ServerError: it ended, or gave no answer in time.
        """
        deadline = time.monotonic() + _START_TIMEOUT
        while not self.answers():
            if time.monotonic() > deadline:
                raise self._failure(f"gave no answer within {_START_TIMEOUT:.0f} s")
            if self._child is not None and self._child.poll() is not None:
                self._ended(self._child.returncode)
            time.sleep(_POLL)

    def stop(self) -> None:
        """Stop it; kill it if that takes more than ten seconds."""
        self.terminate()
        self.join()

    def terminate(self) -> None:
        """Ask it to stop, and do not wait."""
        processes.send(self._processes(), self.stop_signal)

    def join(self) -> None:
        """Wait until it has stopped; kill it after ten seconds."""
        processes.kill(processes.wait_gone(self._processes(), _STOP_TIMEOUT))
        self._reap()

    def kill(self) -> None:
        """Kill it (SIGKILL), as a crash would end it."""
        processes.kill(self._processes())
        self._reap()

    def restart(self) -> None:
        """Stop it and start it again on the same port."""
        self.stop()
        self.start()

    def _processes(self) -> list[psutil.Process]:
        if self._child is not None and self._child.poll() is None:
            return [psutil.Process(self._child.pid)]
        return processes.serving(self.directory)

    def _spawn(self) -> None:
        account = self.account()
        with self.log.open("ab") as log:
            self._child = subprocess.Popen(  # noqa: S603 - our own servers
                self.command(),
                env=os.environ | self.environment(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self.directory,
                user=account and account.pw_uid,
                group=account and account.pw_gid,
                extra_groups=account and [],
                # Ctrl-C in a terminal must reach the stack only, which then stops its servers in order.
                start_new_session=True,
            )

    def _reap(self) -> None:
        if self._child is not None:
            self._child.wait(_STOP_TIMEOUT)
            self._child = None

    def _ended(self, code: int) -> None:
        raise self._failure(f"ended at once with exit code {code}")

    def _failure(self, what: str) -> ServerError:
        return ServerError(f"{self.name} {what}; its log {self.log} ends with:\n{self._log_end()}")

    def _log_end(self, lines: int = 20) -> str:
        text = self.log.read_text(errors="replace") if self.log.exists() else ""
        return "\n".join(text.splitlines()[-lines:])


def unprivileged() -> pwd.struct_passwd | None:
    """Return `nobody` for servers that refuse to run as root; every Unix has that user."""
    return pwd.getpwnam("nobody") if os.geteuid() == 0 else None
