"""Arguments of ``botlive``, as typed by people or passed by programs."""

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
from tests.fuzz.capture import capture, exit_code
from tests.fuzz.dice import Dice
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
    """The exit code is documented, and the output has no traceback, no secret and no control code."""

    name, share = "arguments", 5
    outcomes = frozenset({"0", "1", "2"})

    def open(self, stack: ExitStack) -> None:
        """Replace all servers by test doubles."""
        self._folder = Path(stack.enter_context(TemporaryDirectory()))
        (self._folder / "events").write_bytes(b'{"type": "live_toggled", "company_id": "shop"}\n{}\n')
        (self._folder / "typed").write_bytes(b"{}\n")
        self._redis = fakeredis.FakeRedis()

    def enter(self, stack: ExitStack) -> None:
        """Set the environment variables and the test doubles."""
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
        stack.enter_context(patch("operations.cli.gc.freeze"))  # because it cannot be undone
        stack.enter_context(patch.object(sys, "stdin"))

    def make(self, dice: Dice) -> tuple[list[str], Callable[[], None]]:
        """Create arguments, and a function that fills Redis."""
        command = dice.choice([*_COMMANDS, "failures", "failures", "company"])
        typed = [word for word in (command, dice.choice(_COMMANDS[command])) if word]
        if typed == ["failures", "edit"]:  # the typed value must not be shown
            field = dice.choice(("amount", "items.0.price", "user_id", "phone", ""))
            typed += ["--set", f"{field}={_held(dice.choice((VALUE, PHONE, dice.text())))}"]
        typed += [_word(dice) for _ in range(dice.randrange(5))]
        seed = dice.random()
        return typed, lambda: self._fill(Dice(seed))

    def check(self, case: tuple[list[str], Callable[[], None]]) -> Iterable[str]:
        """Run the command with them."""
        typed, fill = case
        fill()
        before = Path.cwd()
        os.chdir(self._folder)
        try:
            with Path("typed").open() as sys.stdin, capture() as captured:  # a real file, as in a shell
                code = exit_code(cli.main, typed)
        finally:
            os.chdir(before)
        assert code in {0, 1, 2, 3}, f"the exit code is {code}"
        assert "Traceback" not in captured.all
        if "--payload" not in typed:
            no_canary(captured.all, "the output")
        assert not OBEYED.search(captured.all), "the output contains control codes"
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
        lambda: dice.choice(_OPTIONS),
        lambda: dice.choice(_IDS),
        lambda: _word_without_canary(dice),
        lambda: "events",
    )
    return word


def _word_without_canary(dice: Dice) -> str:
    """Return a word that is no path outside and that may be shown to the person who typed it."""
    word = _held(dice.text()).replace("/", "_")
    return "word" if any(canary in word for canary in ("QX", "5948", "59 48")) else word


def _held(text: str) -> str:
    """Return the text as an operating system would pass it."""
    return text.replace("\0", "").encode("utf-8", "surrogatepass").decode("utf-8", "surrogateescape")
