"""Fakeredis as the model's Redis: its commands are called directly, and each Lua script is compiled once.

Fakeredis itself speaks the Redis protocol with its client. At each call it compiles the script, and then Lua
collects its garbage. That takes five times as long. ``test_model`` compares the steps with those on a Valkey.
"""

import pickle
import time
from collections.abc import Mapping, Sequence
from functools import cache
from hashlib import sha1
from itertools import cycle, islice
from pathlib import Path
from typing import Any

import fakeredis
import redis
from fakeredis import _msgs as msgs
from fakeredis._commands import Key, Signature
from fakeredis._core._database import CommandItem, Database, Item
from fakeredis._helpers import SimpleError
from fakeredis._socket import FakeSocket
from fakeredis._socket._resp import convert_to_resp2
from fakeredis.model import Hash, ZSet
from lupa import lua51  # type: ignore[import-untyped]

from events.publishing.keys import JOB, LEASE
from tests.model.client import Command, Server

_PLAIN = {bytes, int, type(None)}  # answers that need no conversion
_WITHOUT_MEMBERS = (JOB.encode(), LEASE.encode())
_ANSWERS = {b"INFO": b"redis_version:7.2.4\r\n", b"CLIENT INFO": b"addr=model"}  # RQ asks for these
_LIBRARY = """
function(call, pcall)
  redis = {call = call, pcall = pcall}
  redis.error_reply = function(text) return {err = text} end
end
"""


class _Database(Database):
    """A database that notes which keys have changed. No client watches a key or waits for one."""

    def __init__(self, lock: Any) -> None:
        super().__init__(lock)
        self.changed: set[bytes] = set()

    def notify_watch(self, key: bytes) -> None:
        """Note the key."""
        self.changed.add(key)

    def get(self, key: bytes, default: Any = None) -> Any:
        """Return the item, unless it has expired."""
        item = self._dict.get(key)
        if item is None or (item.expireat is not None and self.expired(item)):
            return default
        return item


class _Shape:
    """What a signature says about a number of arguments. Fakeredis finds it out again at each call."""

    def __init__(self, signature: Signature, number: int) -> None:
        signature.check_arity([b""] * number, ())
        types: list[Any] = [*signature.fixed, *islice(cycle(signature.repeat), number)][:number]
        self.keys = [(index, each) for index, each in enumerate(types) if isinstance(each, Key)]
        values = [(index, each) for index, each in enumerate(types) if not isinstance(each, Key)]
        self.decoders = [(index, each.decode) for index, each in values if each is not bytes]
        self.removes_empty = msgs.FLAG_LEAVE_EMPTY_VAL not in signature.flags
        self._creates = msgs.FLAG_DO_NOT_CREATE not in signature.flags

    def default(self, key: Key) -> Any:
        """Return the value of a key that does not exist."""
        return key.type_() if self._creates and key.type_ not in {None, bytes} else None


_shape = cache(_Shape)


class _Socket(FakeSocket):
    """Executes commands without what the model does not need: RESP 3, subscribers, other servers."""

    def _run_command(self, func: Any, sig: Any, args: list[bytes], from_script: bool) -> Any:
        self._subkey_events = []
        items: list[CommandItem] = []
        try:
            shape = _shape(sig, len(args))
            arguments: list[Any] = [*args]
            for index, decode in shape.decoders:
                arguments[index] = decode(args[index])
            for index, key in shape.keys:
                found = self._db.get(args[index])
                if found is None and key.missing_return is not Key.UNSPECIFIED:
                    return key.missing_return
                if found and key.type_ and type(found.value) is not key.type_:
                    raise SimpleError(msgs.WRONGTYPE_MSG)  # noqa: TRY301 # a call for each key takes time
                default = None if found else shape.default(key)
                arguments[index] = CommandItem(args[index], self._db, found, default)
                items.append(arguments[index])
            result = func(*arguments)
        except SimpleError as error:
            result = error
        for item in items:
            if item.is_modified:
                item.writeback(remove_empty_val=shape.removes_empty)
        return result if type(result) in _PLAIN else convert_to_resp2(result)


class Fake(Server):
    """Fakeredis with Lua."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self._server = fakeredis.FakeServer()
        self._database = self._server.dbs[0] = _Database(self._server.lock)
        self._socket: Any = _Socket(self._server, 0, client_class=redis.Redis, client_info={"addr": "model"})
        self._server.lock.acquire()  # for good: only one thread uses this server
        self._lua = lua51.LuaRuntime(encoding=None, unpack_returned_tuples=True)
        self._lua.eval(_LIBRARY)(self._call, self._pcall)
        self._scripts: dict[bytes, Any] = {}
        self._seen: dict[bytes, Sequence[bytes]] = {}
        self._command = cache(lambda name: self._socket._name_to_func(name.decode().lower()))

    def exchange(self, commands: Sequence[Command]) -> list[Any]:
        """Execute commands."""
        self._database.time = time.time()
        return [self._answer([_encoded(part) for part in command]) for command in commands]

    def look(self) -> Mapping[bytes, Sequence[bytes]]:
        """Read all keys."""
        for key in self._seen.keys() - self._database.keys():
            del self._seen[key]
        while self._database.changed:
            key = self._database.changed.pop()
            if item := self._database.get(key):
                self._seen[key] = _members(key, item.value)
        return {**self._seen}

    def remember(self) -> Any:
        """Copy all keys."""
        items = self._database.items()
        return pickle.dumps({key: (item.value, item.expireat) for key, item in items})

    def forget(self, remembered: Any) -> None:
        """Replace all keys by those."""
        database = self._database
        database.clear()
        for key, (value, expiry) in pickle.loads(remembered).items():  # noqa: S301 # our own bytes
            item = Item(value)
            item.expireat = expiry
            database[key] = item
            database.changed.add(key)

    def _answer(self, fields: list[bytes]) -> Any:
        name, *arguments = fields
        if name == b"SCRIPT":
            name, *arguments = b"SCRIPT " + arguments[0], *arguments[1:]
        try:
            if name == b"EVALSHA":
                result = self._evaluate(*arguments)
            elif name == b"SCRIPT LOAD":
                result = self._load(*arguments)
            elif name in _ANSWERS:
                result = _ANSWERS[name]
            else:
                result = self._socket._run_command(*self._command(name), arguments, False)
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
        function, signature = self._command(name)
        result = self._socket._run_command(function, signature, [*map(_argument, arguments)], True)
        return result if type(result) is bytes else self._socket._convert_redis_result(self._lua, result)

    def _pcall(self, name: bytes, *arguments: Any) -> Any:
        try:
            return self._call(name, *arguments)
        except SimpleError as error:
            return self._lua.table_from({b"err": error.value})


def _members(key: bytes, value: Any) -> Sequence[bytes]:
    if key.startswith(_WITHOUT_MEMBERS):
        return ()
    if isinstance(value, Hash):
        return [*value.keys()]
    return [*value] if isinstance(value, list | ZSet) else ()


def _encoded(part: Any) -> bytes:
    if isinstance(part, bytes):
        return part
    return part.encode() if isinstance(part, str) else str(part).encode()


def _argument(value: Any) -> bytes:
    return value if isinstance(value, bytes) else f"{value:.17g}".encode()
