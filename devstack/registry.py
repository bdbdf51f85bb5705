"""The stacks of this user on this machine; removes what killed stacks left behind.

A running stack holds a lock on a file in its state directory; the kernel releases it however the process
ends. A registry in the user's temporary directory names the state directories, so that the next start of any
stack finds the servers of a killed one.
"""

import fcntl
import hashlib
import os
import shutil
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import IO

from devstack import processes

_PREFIX = "botlive-stack-"
_PATIENCE = 15.0  # seconds; another start may hold the lock while it stops old servers
_POLL = 0.05  # seconds


class StackRunningError(RuntimeError):
    """Another running stack uses this state directory."""


class Reservation:
    """The right to run servers in `directory`, until `release` or the end of the process."""

    def __init__(self, directory: Path, lock: IO[str], entry: Path) -> None:
        self.directory = directory
        self._lock = lock
        self._entry = entry

    def release(self) -> None:
        """Give up the right, and delete the directory if it is temporary."""
        _remove_if_temporary(self.directory)
        self._entry.unlink(missing_ok=True)
        self._lock.close()


def claim(state: Path | None) -> Reservation:
    """Remove killed stacks, then reserve `state` or a new temporary directory.

    Raises:
        StackRunningError: another stack uses the directory.
    """
    sweep()
    if state is None:
        return _claim(Path(tempfile.mkdtemp(prefix=_PREFIX)).resolve())
    directory = state.expanduser().resolve()
    directory.mkdir(mode=0o711, parents=True, exist_ok=True)
    claimed = _claim(directory)
    # Our registry does not name it if it was started under another temporary directory.
    processes.end(processes.serving(directory))
    return claimed


def sweep() -> None:
    """End the servers of every killed stack, and delete its temporary directory."""
    for entry in _registry().iterdir():
        with suppress(FileNotFoundError):  # another start removed it first
            _sweep(entry)


def _sweep(entry: Path) -> None:
    directory = entry.readlink()
    if not directory.is_dir():
        processes.end(processes.serving(directory))
        entry.unlink()
    elif lock := _try_lock(directory):
        processes.end(processes.serving(directory))
        Reservation(directory, lock, entry).release()


def _claim(directory: Path) -> Reservation:
    lock = _locked(directory)
    entry = _registry() / hashlib.sha256(os.fsencode(directory)).hexdigest()[:16]
    if not entry.is_symlink():
        entry.symlink_to(directory)
    return Reservation(directory, lock, entry)


def _registry() -> Path:
    registry = Path(tempfile.gettempdir()) / f"botlive-stacks-{os.getuid()}"
    registry.mkdir(mode=0o700, exist_ok=True)
    if registry.lstat().st_uid != os.getuid():
        raise PermissionError(f"{registry} belongs to another user: set TMPDIR to a directory of your own")
    return registry


def _remove_if_temporary(directory: Path) -> None:
    is_temporary = directory.parent == Path(tempfile.gettempdir()).resolve()
    if is_temporary and directory.name.startswith(_PREFIX):
        shutil.rmtree(directory, ignore_errors=True)


def _locked(directory: Path) -> IO[str]:
    deadline = time.monotonic() + _PATIENCE
    while (lock := _try_lock(directory)) is None:
        if time.monotonic() > deadline:
            raise StackRunningError(
                f"a stack is already running in {directory}: stop it, or name another directory"
            )
        time.sleep(_POLL)
    return lock


def _try_lock(directory: Path) -> IO[str] | None:
    try:
        lock = (directory / "lock").open("a")
    except FileNotFoundError:
        return None  # another sweep removed it a moment ago
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        lock.close()
        return None
    return lock
