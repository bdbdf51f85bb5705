"""Lets a Valkey forget its last writes, as a power loss does: the end of its append-only file is cut off."""

import re
from pathlib import Path

from devstack.server import Server

# How a counted publication begins in the file: the counter of events/publish.lua.
_COUNTED = re.compile(rb"\$4\r\nincr\r\n\$\d+\r\n(botlive:published:[0-9a-f]+)\r\n", re.IGNORECASE)


def file_of(valkey: Server) -> Path:
    """The file to which it appends."""
    (path,) = (valkey.directory / "appendonlydir").glob("*.incr.aof")
    return path


def size_of(valkey: Server) -> int:
    """Return how many bytes the server has appended to its file."""
    return file_of(valkey).stat().st_size


def cut(valkey: Server, size: int) -> int:
    """Leave so many bytes of the file; how many publications that takes away. The server must not run."""
    path = file_of(valkey)
    written = path.read_bytes()
    path.write_bytes(written[:size])
    return len(_COUNTED.findall(written, size))


def before_the_last(valkey: Server, number: int, *, since: int) -> int:
    """The file's size before its last so many publications, but not less than that size."""
    found = [match.start() for match in _COUNTED.finditer(file_of(valkey).read_bytes(), since)]
    return found[-number:][0] if found else size_of(valkey)
