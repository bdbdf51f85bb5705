"""Loads the Lua scripts. Each script is one atomic step in Redis."""

from collections.abc import Callable, Sequence
from importlib.resources import files
from typing import Any

import redis
from redis.exceptions import NoScriptError


def script(connection: redis.Redis, *names: str) -> Callable[..., Any]:
    """Register one script made of these files, in order, after ``types.lua``, which checks key types.

    It is called with ``keys`` and ``args``, and with a pipeline as ``client`` to be added to it.
    """
    registered: Any = connection.register_script(_joined("types", *names))

    def run(keys: Sequence[Any] = (), args: Sequence[Any] = (), client: redis.Redis | None = None) -> Any:
        try:
            return registered(keys=keys, args=args, client=client)
        except NoScriptError:
            # Redis has restarted since redis-py loaded the script.
            return connection.eval(registered.script, len(keys), *keys, *args)

    return run


def _joined(*names: str) -> str:
    parts = [_text(name) for name in names]
    flags = [line for part in parts for line in part.splitlines() if line.startswith("#!")]
    body = "\n".join(line for part in parts for line in part.splitlines() if not line.startswith("#!"))
    return "\n".join([*flags[:1], body])


def _text(name: str) -> str:
    return files("worker").joinpath("lua", f"{name}.lua").read_text(encoding="utf-8")
