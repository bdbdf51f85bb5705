"""Loads the Lua scripts. Each script is one atomic step in Redis."""

from importlib.resources import files
from typing import Any

import redis


def script(connection: redis.Redis, *names: str) -> Any:
    """Register one script made of these files, in order, after ``types.lua``, which checks key types."""
    return connection.register_script(_joined("types", *names))


def _joined(*names: str) -> str:
    parts = [_text(name) for name in names]
    flags = [line for part in parts for line in part.splitlines() if line.startswith("#!")]
    body = "\n".join(line for part in parts for line in part.splitlines() if not line.startswith("#!"))
    return "\n".join([*flags[:1], body])


def _text(name: str) -> str:
    return files("worker").joinpath("lua", f"{name}.lua").read_text(encoding="utf-8")
