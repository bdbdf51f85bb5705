"""The Lua scripts, each of which is one step in Redis."""

from importlib.resources import files
from typing import Any

import redis


def script(connection: redis.Redis, *names: str) -> Any:
    """The script of these files, one after the other; first of all it looks at the types of its keys."""
    parts = [_text(name) for name in ("types", *names)]
    flags = [line for part in parts for line in part.splitlines() if line.startswith("#!")]
    body = "\n".join(line for part in parts for line in part.splitlines() if not line.startswith("#!"))
    return connection.register_script("\n".join([*flags[:1], body]))


def _text(name: str) -> str:
    return files("worker").joinpath("lua", f"{name}.lua").read_text(encoding="utf-8")
