"""Which stacks live on this machine, and the clearing away of those that died.

A stack holds a lock on a file in its state directory for as long as it lives; the kernel frees it
however the process ends. The directory is noted in a registry under the user's temporary
directory, so that the next start, of any stack, finds what a killed one left behind.
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
_PATIENCE = 15.0  # seconds: another start may hold the lock while it stops our old servers
_POLL = 0.05  # seconds


class StackRunningError(RuntimeError):
    """Another living stack uses this state directory."""


class Reservation:
    """The right to run servers in `directory`, held until `release` or the end of the process."""

    def __init__(self, directory: Path, lock: IO[str], entry: Path) -> None:
        self.directory = directory
        self._lock = lock
        self._entry = entry

    def release(self) -> None:
        """Give the right up; a temporary directory goes with it."""
        _remove_if_temporary(self.directory)
        self._entry.unlink(missing_ok=True)
        self._lock.close()


def claim(state: Path | None) -> Reservation:
    """Clear dead stacks away, then take `state`, or a new temporary directory."""
    sweep()
    if state is None:
        return _claim(Path(tempfile.mkdtemp(prefix=_PREFIX)).resolve())
    directory = state.expanduser().resolve()
    directory.mkdir(mode=0o711, parents=True, exist_ok=True)
    claimed = _claim(directory)
    # Not in our registry if it was started under another temporary directory.
    processes.end(processes.serving(directory))
    return claimed


def sweep() -> None:
    """End the servers of every stack that is dead, and remove its temporary directory."""
    for entry in _registry().iterdir():
        with suppress(FileNotFoundError):  # another start swept it first
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
        raise PermissionError(f"{registry} belongs to somebody else")
    return registry


def _remove_if_temporary(directory: Path) -> None:
    is_temporary = directory.parent == Path(tempfile.gettempdir()).resolve()
    if is_temporary and directory.name.startswith(_PREFIX):
        shutil.rmtree(directory, ignore_errors=True)


def _locked(directory: Path) -> IO[str]:
    deadline = time.monotonic() + _PATIENCE
    while (lock := _try_lock(directory)) is None:
        if time.monotonic() > deadline:
            raise StackRunningError(f"a stack is already running in {directory}")
        time.sleep(_POLL)
    return lock


def _try_lock(directory: Path) -> IO[str] | None:
    try:
        lock = (directory / "lock").open("a")
    except FileNotFoundError:
        return None  # somebody else's sweep removed it a moment ago
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        lock.close()
        return None
    return lock
