"""Fakeredis as the model's Redis: its commands are called directly, and each Lua script is compiled once.

Fakeredis itself speaks the Redis protocol with its client. At each call it compiles the script, and then Lua
collects its garbage. That takes five times as long. ``test_model`` compares the steps with those on a Valkey.
"""

import pickle
import time
from collections.abc import Mapping, Sequence
from functools import cache
from hashlib import sha1
from pathlib import Path
from typing import Any

import fakeredis
import redis
from fakeredis import _msgs as msgs
from fakeredis._core._database import Item
from fakeredis._helpers import SimpleError
from fakeredis._socket import FakeSocket
from fakeredis._socket._resp import convert_to_resp2
from fakeredis.model import Hash, ZSet
from lupa import lua51  # type: ignore[import-untyped]

from tests.model.client import Command, Server

_INFO = b"redis_version:7.2.4\r\n"  # fakeredis does not know INFO; RQ asks it for the version
_LIBRARY = """
function(call, pcall)
  redis = {call = call, pcall = pcall}
  redis.error_reply = function(text) return {err = text} end
end
"""


class _Socket(FakeSocket):
    """Executes commands without what the model does not need: RESP 3, subscribers, other servers."""

    def _run_command(self, func: Any, sig: Any, args: list[bytes], from_script: bool) -> Any:
        items: list[Any] = []
        self._subkey_events = []
        try:
            applied: Any = sig.apply(args, self._db, self.version)
            if len(applied) == 1:
                [result] = applied
            else:
                arguments, items = applied
                result = convert_to_resp2(func(*arguments))
        except SimpleError as error:
            result = error
        for item in items:
            item.writeback(remove_empty_val=msgs.FLAG_LEAVE_EMPTY_VAL not in sig.flags)
        return result


class Fake(Server):
    """Fakeredis with Lua."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self._server = fakeredis.FakeServer()
        self._socket: Any = _Socket(self._server, 0, client_class=redis.Redis, client_info={"addr": "model"})
        self._server.lock.acquire()  # for good: only one thread uses this server
        self._lua = lua51.LuaRuntime(encoding=None, unpack_returned_tuples=True)
        self._lua.eval(_LIBRARY)(self._call, self._pcall)
        self._scripts: dict[bytes, Any] = {}
        self._command = cache(self._socket._name_to_func)

    def exchange(self, commands: Sequence[Command]) -> list[Any]:
        """Execute commands."""
        self._server.dbs[0].time = time.time()
        return [self._answer([*map(_encoded, command)]) for command in commands]

    def look(self) -> Mapping[bytes, Sequence[bytes]]:
        """Read all keys."""
        database = self._server.dbs[0]
        return {key: _members(database[key].value) for key in database}

    def remember(self) -> Any:
        """Copy all keys."""
        database = self._server.dbs[0]
        return pickle.dumps({key: (database[key].value, database[key].expireat) for key in database})

    def forget(self, remembered: Any) -> None:
        """Replace all keys by those."""
        database = self._server.dbs[0]
        database.clear()
        for key, (value, expiry) in pickle.loads(remembered).items():  # noqa: S301 # our own bytes
            item = Item(value)
            item.expireat = expiry
            database[key] = item

    def _answer(self, fields: list[bytes]) -> Any:
        name, *arguments = fields
        if name == b"SCRIPT":
            name, *arguments = b"SCRIPT " + arguments[0], *arguments[1:]
        try:
            if name == b"EVALSHA":
                result = self._evaluate(*arguments)
            elif name == b"SCRIPT LOAD":
                result = self._load(*arguments)
            elif name == b"INFO":
                result = _INFO
            else:
                result = self._socket._run_command(*self._command(name.decode().lower()), arguments, False)
        except SimpleError as error:
            result = error
        return self._socket._decode_result(result)

    def _load(self, text: bytes) -> bytes:
        sha = sha1(text, usedforsecurity=False).hexdigest().encode()
        lines = text.split(b"\n")
        body = b"\n".join(line for line in lines if not line.startswith(b"#!"))  # flags of Redis, not Lua
        self._scripts[sha] = self._lua.eval(b"function(KEYS, ARGV)\n" + body + b"\nend")
        return sha

    def _evaluate(self, sha: bytes, number: bytes, *arguments: bytes) -> Any:
        if sha not in self._scripts:
            raise SimpleError("NOSCRIPT No matching script. Please use EVAL.")
        keys, values = arguments[: int(number)], arguments[int(number) :]
        self._socket._script_resp = 2
        result = self._scripts[sha](self._lua.table_from(keys), self._lua.table_from(values))
        return self._socket._convert_lua_result(result, nested=False)

    def _call(self, name: bytes, *arguments: Any) -> Any:
        function, signature = self._command(name.decode().lower())
        result = self._socket._run_command(function, signature, [*map(_argument, arguments)], True)
        return self._socket._convert_redis_result(self._lua, result)

    def _pcall(self, name: bytes, *arguments: Any) -> Any:
        try:
            return self._call(name, *arguments)
        except SimpleError as error:
            return self._lua.table_from({b"err": error.value})


def _members(value: Any) -> Sequence[bytes]:
    if isinstance(value, Hash):
        return [*value.keys()]
    return [*value] if isinstance(value, list | ZSet) else ()


def _encoded(part: Any) -> bytes:
    if isinstance(part, bytes):
        return part
    return part.encode() if isinstance(part, str) else str(part).encode()


def _argument(value: Any) -> bytes:
    return value if isinstance(value, bytes) else f"{value:.17g}".encode()
