"""The table of exit codes in docs/commands.md is true: a run of each command ends with each of its codes.

What a command asks from servers is replaced; integration tests run the commands on real servers.
"""

import re
import socket
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import fakeredis
import pytest

from devstack.server import ServerError
from events.errors import PublishError
from events.publishing.outbox import Outbox
from operations import cli
from operations.doctor.result import failure, ok, warning
from operations.errors import ProcessKilled
from operations.exits import ExitCode
from operations.pruning import Progress, PrunedRows
from tests.make import payment

_PAGE = Path(__file__).parents[2] / "docs" / "commands.md"
_COMMANDS = "operations.commands"
_DEAD = {
    "REDIS_URL": "redis://127.0.0.1:1/0",
    "DATABASE_URL": "postgresql://127.0.0.1:1/none",
    "SUPABASE_URL": "http://127.0.0.1:1",
    "SUPABASE_KEY": "sb_secret_none",
    "BOTLIVE_ALERT_URL": "http://127.0.0.1:1",
    "BOTLIVE_OUTBOX": "outbox.db",
}


def _table() -> set[tuple[str, int]]:
    """Return each command with each of its codes, as the page has them."""
    rows = re.findall(r"^\| `(\w+)` \| (.*?) \| (.*?) \|(.*)\|$", _PAGE.read_text(), re.MULTILINE)
    assert [name for name, *_ in rows] == [*dict.fromkeys(name for name, *_ in rows)]
    return {
        (name, code)
        for name, done, failed, more in rows
        for code in (
            *([0] if done else []),
            *([1] if failed else []),
            *map(int, re.findall(r"\b(\d+):", more)),
        )
    }


def _returns(value: Any) -> Any:
    return lambda *_, **__: value


def _raises(error: BaseException) -> Any:
    def fail(*_: Any, **__: Any) -> Any:
        raise error

    return fail


class Pruner:
    """A pruner that deletes nothing, or is interrupted."""

    horizon = datetime(2026, 1, 1, tzinfo=UTC)

    def __init__(self, interrupted: bool = False) -> None:
        self._interrupted = interrupted

    def run(self) -> Iterator[Progress]:
        """Delete nothing."""
        if self._interrupted:
            raise KeyboardInterrupt
        return iter(())

    def count(self) -> PrunedRows:
        """Return no rows."""
        return PrunedRows()


def _pruning(blocking: list[str], *, interrupted: bool = False) -> dict[str, Any]:
    @contextmanager
    def pruner(*_: Any) -> Iterator[Pruner]:
        yield Pruner(interrupted)

    return {
        f"{_COMMANDS}.prune.pruner": pruner,
        f"{_COMMANDS}.prune.unfinished.older_than": _returns(blocking),
    }


def _erasing(**found: int) -> dict[str, Any]:
    return {
        f"{_COMMANDS}.erase.connect": _returns(nullcontext()),
        f"{_COMMANDS}.erase.Tables": _returns(None),
        f"{_COMMANDS}.erase.configure": _returns(None),
        f"{_COMMANDS}.erase._Erasure.run": _returns(Counter(found)),
    }


_REDIS = {
    "events.publishing.address.redis.Redis.from_url": _returns(
        fakeredis.FakeStrictRedis(server=fakeredis.FakeServer())
    )
}
_SOON = {f"{_COMMANDS}.publish._PATIENCE": 0.1}
_STACK = {"devstack.cli._started": _returns(nullcontext(SimpleNamespace(environment={})))}
_PRUNE = ["prune", "--older-than", "180d"]
_FAULTS = [[ok("a", "b")], [warning("a", "b", "c")], [failure("a", "b", "c"), warning("a", "b", "c")]]


def _persisted(chunk: list[Any], _: Any, __: Any, tally: Counter[str]) -> None:
    tally["persisted"] += len(chunk)


_RUNS: dict[tuple[str, int], tuple[list[str], dict[str, Any]]] = {
    ("publish", 0): (["publish", "empty.ndjson"], {}),
    ("publish", 1): (["publish", "bad.ndjson"], {}),
    ("publish", 3): (["publish", "day.ndjson"], {**_SOON, "BOTLIVE_OUTBOX": ""}),
    ("outbox", 0): (["outbox", "status"], {}),
    ("outbox", 1): (["outbox", "drain"], {f"{_COMMANDS}.outbox.Publisher.drain": _raises(PublishError())}),
    ("worker", 0): (
        ["worker", "--burst"],
        {f"{_COMMANDS}.worker.consumer": _returns(SimpleNamespace(run=_returns(None)))},
    ),
    ("worker", 1): (
        ["worker", "--processes", "2"],
        {f"{_COMMANDS}.worker.Supervisor.run": _raises(ProcessKilled())},
    ),
    ("alerts", 0): (["alerts", "--test"], {"operations.alerts.webhook.Webhook.send": _returns(None)}),
    ("alerts", 1): (["alerts", "--test"], {}),
    **{
        ("doctor", code): (["doctor"], {f"{_COMMANDS}.doctor.examine": _returns(found)})
        for code, found in enumerate(_FAULTS)
    },
    ("status", 0): (["status"], _REDIS),
    ("status", 1): (["status"], {}),
    ("company", 0): (["company", "list"], {"gateway.client.Gateway.call": _returns([])}),
    ("company", 1): (["company", "list"], {}),
    ("failures", 0): (["failures"], _REDIS),
    ("failures", 1): (["failures", "show", "nosuch"], _REDIS),
    ("reconcile", 0): (["reconcile", "day.ndjson"], {f"{_COMMANDS}.reconcile._conclude": _persisted}),
    ("reconcile", 1): (["reconcile", "empty.ndjson"], {}),
    ("erase", 0): (["erase", "x", "--yes"], {**_REDIS, **_erasing(orders=1)}),
    ("erase", 1): (["erase", "x", "--yes"], {**_REDIS, **_erasing(held=1)}),
    ("migrate", 0): (["migrate", "--sql"], {}),
    ("migrate", 1): (["migrate"], {}),
    ("migrate", 130): (["migrate"], {f"{_COMMANDS}.migrate.apply": _raises(KeyboardInterrupt())}),
    ("dashboard", 0): (
        ["dashboard"],
        {**_REDIS, f"{_COMMANDS}.dashboard.server.listening": _raises(SystemExit(0))},
    ),
    ("dashboard", 1): (["dashboard", "--port", "{used}"], _REDIS),
    ("prune", 0): (_PRUNE, {**_REDIS, **_pruning([])}),
    ("prune", 1): (_PRUNE, {**_REDIS, **_pruning(["an id"])}),
    ("prune", 130): (_PRUNE, {**_REDIS, **_pruning([], interrupted=True)}),
    ("stack", 0): (["stack", "run", "--", "true"], _STACK),
    ("stack", 1): (["stack", "run", "--", "true"], {"devstack.cli.Stack.start": _raises(ServerError("no"))}),
    ("stack", 126): (["stack", "run", "--", "./empty.ndjson"], _STACK),
    ("stack", 127): (["stack", "run", "--", "./nosuch"], _STACK),
}


@pytest.fixture(autouse=True)
def _place(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A folder with files, and an environment whose servers are all away."""
    monkeypatch.chdir(tmp_path)
    for name, value in _DEAD.items():
        monkeypatch.setenv(name, value)
    Path("empty.ndjson").touch()
    Path("bad.ndjson").write_text("{}\n")
    event = payment(event_id="0197b6a2-5e1c-7d3a-9f00-3c2b1a0d9e8f", occurred_at="2026-01-01T00:00:00Z")
    Path("day.ndjson").write_text(event.model_dump_json() + "\n")


def test_the_page_has_a_row_for_each_command_and_a_run_here_for_each_code() -> None:
    """A new command or a new code needs a row in the table, and a run that ends with it."""
    assert {name for name, _ in _table()} == cli.COMMANDS.keys()
    assert _table() == _RUNS.keys()


def test_the_page_has_each_code_of_the_enum() -> None:
    """The first table lists exactly the codes of the enum."""
    listed = re.findall(r"^\| (\d+) \| ", _PAGE.read_text(), re.MULTILINE)
    assert [*map(int, listed)] == [*ExitCode]


@pytest.mark.parametrize(("name", "code"), _RUNS, ids=str)
def test_a_run_ends_with_each_code(monkeypatch: pytest.MonkeyPatch, name: str, code: int) -> None:
    """A real run of the command ends with the code that the table names."""
    arguments, replaced = _RUNS[name, code]
    for target, value in replaced.items():
        (monkeypatch.setenv if target.isupper() else monkeypatch.setattr)(target, value)
    Outbox(Path("outbox.db")).add([])
    with socket.create_server(("127.0.0.1", 0)) as used:
        words = [word.format(used=used.getsockname()[1]) for word in arguments]
        with pytest.raises(SystemExit) as ended:
            cli.main(words)
    assert int(ended.value.code or 0) == code


@pytest.mark.parametrize("name", cli.COMMANDS)
def test_a_wrong_option_ends_with_2(capsys: pytest.CaptureFixture[str], name: str) -> None:
    """Every command refuses an option that it does not know, names it, and ends with 2."""
    with pytest.raises(SystemExit) as ended:
        cli.main([name, "--nosuch"])
    assert ended.value.code == ExitCode.WRONG_CALL
    assert "--nosuch" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "name", "value"),
    [
        (["migrate"], "DATABASE_URL", "mysql://u:s3cr3t@127.0.0.1/x"),
        (_PRUNE, "DATABASE_URL", "postgresql://u:s3cr3t@127.0.0.1:1/x?pgbouncer=true"),
        (["erase", "x", "--yes"], "DATABASE_URL", "postgresql://u:[YOUR-PASSWORD]@127.0.0.1:1/x"),
        (["status"], "REDIS_URL", "redis://u:s3cr3t#@127.0.0.1:1/0"),
        (["failures"], "REDIS_URL", "redis://u:s3cr3t@127.0.0.1:1/zero"),
        (["publish", "day.ndjson"], "REDIS_URL", "s3cr3t"),
        (["company", "list"], "SUPABASE_URL", "s3cr3t"),
        (["worker", "--burst"], "SUPABASE_URL", "s3cr3t"),
        (["alerts", "--test"], "BOTLIVE_ALERT_URL", "s3cr3t"),
    ],
)
def test_a_setting_that_cannot_be_used_ends_with_2(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    name: str,
    value: str,
) -> None:
    """A supervisor must not start the command again: the message names the setting, and not its value."""
    monkeypatch.setenv(name, value)
    with pytest.raises(SystemExit) as ended:
        cli.main(arguments)
    said = capsys.readouterr().err
    assert ended.value.code == ExitCode.WRONG_CALL, said
    assert name in said
    assert "s3cr3t" not in said
