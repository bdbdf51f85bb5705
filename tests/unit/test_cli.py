"""The console script: it starts quickly, and reports clearly what is not installed."""

import json
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from types import ModuleType

import pytest

from events.errors import BotliveError, InvalidRedisUrl, PublishError
from gateway.errors import InvalidSetting, MissingSetting, RedisUnusable
from operations import cli
from operations.errors import CannotListen


def _run(monkeypatch: pytest.MonkeyPatch, arguments: list[str]) -> int:
    monkeypatch.setattr(sys, "argv", ["botlive", *arguments])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    return int(ended.value.code or 0)


def _imported(code: str) -> set[str]:
    """Return the top-level modules that a new interpreter has loaded after it has run the code."""
    script = (
        "import sys, json\n"
        f"try:\n    {code}\nexcept SystemExit: pass\n"
        "print('\\n' + json.dumps(sorted({name.partition('.')[0] for name in sys.modules})))"
    )
    shown = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout
    return set(json.loads(shown.splitlines()[-1]))


_HEAVY = {"httpx", "psycopg", "pydantic", "redis", "rich", "rq", "starlette", "structlog", "supabase"}


def test_importing_the_script_imports_nothing_heavy() -> None:
    """Importing the script loads no large package, not even typer."""
    assert not _imported("import operations.cli") & {*_HEAVY, "typer"}


def test_the_help_imports_no_command() -> None:
    """The list of commands loads typer and no other large package."""
    assert not _imported("from operations.cli import main; main(['--help'])") & _HEAVY


def test_publish_does_without_the_worker() -> None:
    """`botlive publish` loads neither Supabase's client nor the logs."""
    loaded = _imported("from operations.cli import main; main(['publish', '--help'])")
    assert not loaded & {"httpx", "devstack", "psycopg", "rq", "structlog", "supabase"}
    assert "redis" in loaded


def test_every_command_is_listed_with_its_help(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The help lists every command of the table."""
    monkeypatch.setenv("COLUMNS", "200")
    assert _run(monkeypatch, ["--help"]) == 0
    shown = capsys.readouterr().out
    for name, command in cli.COMMANDS.items():
        assert f"  {name} " in shown
        assert command.help in shown


@pytest.mark.parametrize("name", ["migrate", "publish"])
def test_a_command_has_its_own_help(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    """The help of a command is that of the real command."""
    assert _run(monkeypatch, [name, "--help"]) == 0
    assert f"Usage: botlive {name}" in capsys.readouterr().out


def test_an_unknown_command_is_a_wrong_call(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """An unknown command is named, with exit code 2."""
    assert _run(monkeypatch, ["publsh"]) == 2
    assert "publsh" in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.parametrize(
    ("absent", "arguments", "line"),
    [
        ("typer", ["publish", "-"], "botlive publish needs the extra [worker]"),
        ("typer", ["stack"], "botlive stack needs the extra [stack]"),
        ("typer", [], "botlive needs the extra [worker]"),
        ("psycopg", ["migrate"], "botlive migrate needs the extra [worker]"),
        ("devstack.cli", ["stack"], None),
    ],
)
def test_a_missing_extra_is_named(absent: str, arguments: list[str], line: str | None) -> None:
    """A missing extra is reported in one line with exit code 2; a missing module of our own is a bug."""
    code = (
        f"import sys; sys.modules[{absent!r}] = None; sys.argv[1:] = {arguments!r}\n"
        "from operations.cli import main; main()"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    if line is None:
        assert (ended.returncode, "Traceback" in ended.stderr) == (1, True)
        return
    assert ended.returncode == 2
    assert ended.stderr.startswith(f"{line} of botlive-events: run `pip install '.[")
    assert ended.stderr.endswith("]'` in its repository\n")


def breaking(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    """A command `broken` that raises it."""
    module = ModuleType("broken")

    def command() -> None:
        raise error

    vars(module).update(command=command)
    monkeypatch.setitem(sys.modules, "broken", module)
    monkeypatch.setitem(cli.COMMANDS, "broken", cli.Command("broken:command", "worker", "Breaks."))


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (InvalidSetting("REDIS_URL", "is none"), 2),
        (MissingSetting("REDIS_URL"), 2),
        (RedisUnusable("it is another server"), 2),
        (InvalidRedisUrl("it has no host"), 2),
        (CannotListen("127.0.0.1", 80, "Permission denied", ("--bind", "--port")), 1),
        (PublishError("not confirmed"), 1),
        (BotliveError("anything else"), 1),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else None,
)
def test_our_errors_are_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], error: Exception, code: int
) -> None:
    """Its message. What the environment lacks ends with 2, as a wrong call does; whatever else with 1."""
    breaking(monkeypatch, error)
    assert _run(monkeypatch, ["broken"]) == code
    assert capsys.readouterr().err == f"{error}\n"


def test_bugs_are_not_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    """An exception that is none of ours goes on with its traceback."""
    breaking(monkeypatch, RuntimeError("bug"))
    with pytest.raises(RuntimeError, match="bug"):
        cli.main(["broken"])


@pytest.mark.parametrize(
    ("outbox", "said"),
    [
        (None, "not set in the environment: BOTLIVE_OUTBOX"),
        ("", "not set in the environment: BOTLIVE_OUTBOX"),
        (
            "no-such-file",
            "BOTLIVE_OUTBOX: the file does not exist: the chat creates it the first time that Redis is away",
        ),
    ],
)
@pytest.mark.parametrize("command", ["status", "drain"])
def test_an_outbox_that_is_not_named_or_not_there_is_told(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    command: str,
    outbox: str | None,
    said: str,
    tmp_path: Path,
) -> None:
    """One line says so with exit code 2, and no file is created."""
    monkeypatch.delenv("BOTLIVE_OUTBOX", raising=False)
    monkeypatch.chdir(tmp_path)
    if outbox is not None:
        monkeypatch.setenv("BOTLIVE_OUTBOX", outbox)
    assert _run(monkeypatch, ["outbox", command]) == 2
    assert capsys.readouterr().err == f"{said}\n"
    assert [*tmp_path.iterdir()] == []


def test_the_version_is_the_installed_one(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """`botlive --version` prints the version of the installed distribution."""
    assert _run(monkeypatch, ["--version"]) == 0
    assert capsys.readouterr().out == f"botlive {version('botlive-events')}\n"


def test_modules_of_another_distribution_end_the_command(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """One line says what happened, before anything is imported from them."""
    breaking(monkeypatch, RuntimeError("not reached"))
    monkeypatch.setattr("operations.cli.origin.problem", lambda *_: "the module `events` is incomplete")
    assert _run(monkeypatch, ["broken"]) == 2
    assert capsys.readouterr().err == "the module `events` is incomplete\n"


def test_a_distribution_that_will_do_harm_is_a_note(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The command runs."""
    monkeypatch.setattr(
        "operations.cli.origin.warning", lambda: "the distribution Events contains our module"
    )
    assert _run(monkeypatch, ["--version"]) == 0
    assert capsys.readouterr().err == "note: the distribution Events contains our module\n"


def test_output_that_was_lost_is_a_failure(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The disk is full: the command has succeeded, but its reader has only a part of the output."""
    monkeypatch.setattr("operations.cli.streams.lost", lambda: "No space left on device")
    assert _run(monkeypatch, ["--version"]) == 1
    assert "could not be written (No space left on device)" in capsys.readouterr().err


def test_a_closed_standard_output_is_no_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    """Python has no stream then."""
    monkeypatch.setattr("operations.cli.streams.harden", lambda: None)
    monkeypatch.setattr(cli, "_loaded", lambda _: lambda **_: monkeypatch.setattr(sys, "stdout", None))
    assert _run(monkeypatch, []) == 0
