"""Finding and ending server processes by what stands on their command line.

No pid files: a pid may long belong to somebody else, a command line that names the server's own
directory cannot lie, and a crash between a start and the writing of a pid file loses nothing.
"""

import signal
import time
from collections.abc import Iterable
from pathlib import Path

import psutil

_PROGRAMS = {"postgres", "valkey-server", "devstack.rest.app"}
_STOP_TIMEOUT = 10.0  # seconds
_POLL = 0.01  # seconds


def serving(directory: Path) -> list[psutil.Process]:
    """The living servers that keep their files in `directory`, or somewhere below it."""
    candidates = psutil.process_iter(["cmdline"])
    return [process for process in candidates if _serves(process.info["cmdline"] or [], directory)]


def _serves(command: list[str], directory: Path) -> bool:
    module = command[2] if command[1:2] == ["-m"] else None
    program = module or Path(command[0] if command else "").name
    return program in _PROGRAMS and any(Path(word).is_relative_to(directory) for word in command[1:])


def end(servers: list[psutil.Process]) -> None:
    """Stop them in order (PostgreSQL's fast shutdown, which the others know as well), else kill."""
    family = servers + children(servers)
    send(servers, signal.SIGINT)
    send(wait_gone(family, _STOP_TIMEOUT), signal.SIGKILL)


def kill(servers: list[psutil.Process]) -> None:
    """End them at once; a child that outlived its parent would bar the parent's next start."""
    family = servers + children(servers)
    send(servers, signal.SIGKILL)
    send(wait_gone(family, _STOP_TIMEOUT), signal.SIGKILL)


def children(servers: Iterable[psutil.Process]) -> list[psutil.Process]:
    """The direct children of each, such as PostgreSQL's backends."""
    found: list[psutil.Process] = []
    for server in servers:
        try:
            found += server.children()
        except psutil.NoSuchProcess:
            continue
    return found


def send(targets: Iterable[psutil.Process], number: int) -> None:
    """Signal each; one that has gone meanwhile (psutil compares start times too) is no fault."""
    for target in targets:
        try:
            target.send_signal(number)
        except psutil.NoSuchProcess:
            continue


def wait_gone(targets: Iterable[psutil.Process], timeout: float) -> list[psutil.Process]:
    """Wait at most `timeout` seconds; answer those that are still alive."""
    deadline = time.monotonic() + timeout
    while (alive := [target for target in targets if _is_alive(target)]) and time.monotonic() < deadline:
        time.sleep(_POLL)
    return alive


def _is_alive(process: psutil.Process) -> bool:
    """A zombie is dead: its parent has merely not asked yet."""
    try:
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False
