"""Finds and ends server processes by their command line, which names the server's own directory.

There are no pid files: the system may have given the pid to another process, and a crash can happen before
the file is written.
"""

import signal
import time
from collections.abc import Iterable
from pathlib import Path

import psutil

_PROGRAMS = {"postgres", "valkey-server", "postgrest", "devstack.rest.app"}
_STOP_TIMEOUT = 10.0  # seconds
_POLL = 0.01  # seconds


def serving(directory: Path) -> list[psutil.Process]:
    """Return the running servers whose files are in `directory` or below it."""
    candidates = psutil.process_iter(["cmdline"])
    return [process for process in candidates if _serves(process.info["cmdline"] or [], directory)]


def _serves(command: list[str], directory: Path) -> bool:
    module = command[2] if command[1:2] == ["-m"] else None
    program = module or Path(command[0] if command else "").name
    return program in _PROGRAMS and any(Path(word).is_relative_to(directory) for word in command)


def end(servers: list[psutil.Process]) -> None:
    """Stop them by SIGINT (PostgreSQL's fast shutdown); kill those that do not stop in time."""
    family = servers + children(servers)
    send(servers, signal.SIGINT)
    send(wait_gone(family, _STOP_TIMEOUT), signal.SIGKILL)


def kill(servers: list[psutil.Process]) -> None:
    """Kill them and their children: PostgreSQL does not start again while an old child runs."""
    family = servers + children(servers)
    send(servers, signal.SIGKILL)
    send(wait_gone(family, _STOP_TIMEOUT), signal.SIGKILL)


def children(servers: Iterable[psutil.Process]) -> list[psutil.Process]:
    """Return their direct children, such as PostgreSQL's backends."""
    found: list[psutil.Process] = []
    for server in servers:
        try:
            found += server.children()
        except psutil.NoSuchProcess:
            continue
    return found


def send(targets: Iterable[psutil.Process], number: int) -> None:
    """Send a signal to each that still runs. psutil compares start times, so no other process gets it."""
    for target in targets:
        try:
            target.send_signal(number)
        except psutil.NoSuchProcess:
            continue


def wait_gone(targets: Iterable[psutil.Process], timeout: float) -> list[psutil.Process]:
    """Wait at most `timeout` seconds, and return those that still run."""
    deadline = time.monotonic() + timeout
    while (alive := [target for target in targets if _is_alive(target)]) and time.monotonic() < deadline:
        time.sleep(_POLL)
    return alive


def _is_alive(process: psutil.Process) -> bool:
    """Return whether it runs. A zombie has ended; its parent has not read its exit code yet."""
    try:
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False
