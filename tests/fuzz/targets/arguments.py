"""What people type behind ``botlive``, and programs pass."""

import os
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from unittest.mock import Mock, patch

import fakeredis
import redis

from events import Publisher
from gateway.client import Gateway
from operations import cli
from operations.commands import reconcile
from operations.failed import selection
from tests.fuzz.canaries import OBEYED, PASSWORD, PHONE, SECRET, VALUE
from tests.fuzz.dice import Dice
from tests.fuzz.hearing import exit_code, hearing
from tests.fuzz.target import Target, no_canary
from tests.fuzz.targets.decode import call, results
from tests.fuzz.targets.lines import Recording

_COMPANY = {"company_id": "shop", "uuid": "da24ff12-b95c-4696-8bef-6ad89c18f601"}
_ANSWERS: Mapping[str, Any] = {
    "botlive_company_add": _COMPANY,
    "botlive_company_link": _COMPANY,
    "botlive_company_list": [_COMPANY],
    "botlive_persisted": {},
}
_COMMANDS: Mapping[str, Sequence[str]] = {
    "failures": ("", "list", "show", "edit", "replay", "discard", "discarded"),
    "company": ("add", "link", "list", ""),
    "outbox": ("status", "drain", ""),
    "publish": ("",),
    "reconcile": ("",),
    "migrate": ("--sql", ""),
    "worker": ("", "--burst"),
    "dashboard": ("",),
    "": ("", "--help", "unheard-of"),
}
_OPTIONS = (
    *(
        "--json",
        "--reason",
        "--company",
        "--limit",
        "--payload",
        "--why",
        "--all",
        "--uuid",
        "--owner",
        "--name",
        "--burst",
    ),
    *(
        "--sql",
        "--bind",
        "--port",
        "--help",
        "--unset",
        "--",
        "-",
        "-h",
        "--limit=3",
        "--why=",
        "--no-such-option",
    ),
)
_IDS = ("one", "two", "with:a:colon", "no text \udcff", "three")


class Arguments(Target):
    """A documented exit code, no stack, no secret, and nothing that a terminal would obey."""

    name, share = "arguments", 5
    outcomes = frozenset({"0", "1", "2"})

    def open(self, stack: ExitStack) -> None:
        """With doubles in the place of all servers."""
        self._folder = Path(stack.enter_context(TemporaryDirectory()))
        (self._folder / "events").write_bytes(b'{"type": "live_toggled", "company_id": "shop"}\n{}\n')
        (self._folder / "typed").write_bytes(b"{}\n")
        self._redis = fakeredis.FakeRedis()

    def enter(self, stack: ExitStack) -> None:
        """In their environment."""
        stack.enter_context(patch.dict(os.environ, _environment(self._folder), clear=True))
        stack.enter_context(patch.object(Publisher, "from_env", lambda **_: Recording()))
        stack.enter_context(
            patch.object(Gateway, "connect", lambda _: Mock(call=lambda name, _: _ANSWERS[name]))
        )
        for module in (selection, reconcile):
            stack.enter_context(patch.object(module, "redis_at", self._redis_at))
        stack.enter_context(patch("operations.commands.worker.consumer"))
        stack.enter_context(patch("operations.commands.worker.configure"))
        stack.enter_context(patch("operations.failed.selection.configure"))
        for name in ("configure", "Board", "server"):
            stack.enter_context(patch(f"operations.commands.dashboard.{name}"))
        stack.enter_context(patch("operations.commands.dashboard.redis_at", self._redis_at))
        stack.enter_context(patch("operations.cli.gc.freeze"))  # of each call's own, for good
        stack.enter_context(patch.object(sys, "stdin"))

    def make(self, dice: Dice) -> tuple[list[str], Callable[[], None]]:
        """Arguments, and what stands in Redis."""
        command = dice.choice([*_COMMANDS, "failures", "failures", "company"])
        typed = [word for word in (command, dice.choice(_COMMANDS[command])) if word]
        if typed == ["failures", "edit"]:  # where a value is typed that must not be shown again
            field = dice.choice(("amount", "items.0.price", "user_id", "phone", ""))
            typed += ["--set", f"{field}={_held(dice.choice((VALUE, PHONE, dice.text())))}"]
        typed += [_word(dice) for _ in range(dice.randrange(5))]
        seed = dice.random()
        return typed, lambda: self._fill(Dice(seed))

    def check(self, case: tuple[list[str], Callable[[], None]]) -> Iterable[str]:
        """Type them."""
        typed, fill = case
        fill()
        before = Path.cwd()
        os.chdir(self._folder)
        try:
            with Path("typed").open() as sys.stdin, hearing() as heard:  # a file, as what a shell passes is
                code = exit_code(cli.main, typed)
        finally:
            os.chdir(before)
        assert code in {0, 1, 2, 3}, f"the exit code is {code}"
        assert "Traceback" not in heard.all
        if "--payload" not in typed:
            no_canary(heard.all, "what is said")
        assert not OBEYED.search(heard.all), "what is said holds what a terminal obeys"
        return [str(code)]

    def _fill(self, dice: Dice) -> None:
        self._redis.flushall()
        for job_id in _IDS:
            raw = job_id.encode(errors="surrogateescape")
            data, _ = call(dice, "shop")
            self._redis.zadd("rq:failed:botlive", {raw: 5})
            self._redis.hset(b"rq:job:" + raw, mapping={"data": data, "status": "failed"})
            for _, result in results(dice):
                fields: dict[Any, Any] = {**result}
                self._redis.xadd(b"rq:results:" + raw, fields)

    @contextmanager
    def _redis_at(self, _: str) -> Iterator[redis.Redis]:
        yield self._redis


def _environment(folder: Path) -> dict[str, str]:
    return {
        "REDIS_URL": f"redis://:{PASSWORD}@127.0.0.1:1/0",
        "SUPABASE_URL": "http://127.0.0.1:1",
        "SUPABASE_KEY": SECRET,
        "BOTLIVE_OUTBOX": str(folder / "outbox"),
        "PATH": os.environ["PATH"],
        "HOME": str(folder),
        "TERM": "dumb",
    }


def _word(dice: Dice) -> str:
    word: str = dice.one_of(
        lambda: dice.choice(_OPTIONS), lambda: dice.choice(_IDS), lambda: _harmless(dice), lambda: "events"
    )
    return word


def _harmless(dice: Dice) -> str:
    """A word that is no file outside, and that a person who types it may see again."""
    word = _held(dice.text()).replace("/", "_")
    return "word" if any(canary in word for canary in ("QX", "5948", "59 48")) else word


def _held(text: str) -> str:
    """As an operating system passes it."""
    return text.replace("\0", "").encode("utf-8", "surrogatepass").decode("utf-8", "surrogateescape")
