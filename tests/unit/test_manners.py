"""A user's mistake is one line with its cure, never a traceback."""

import errno
import io
import os
import re
import sys
from pathlib import Path

import fakeredis
import pytest
from pydantic import SecretStr

from gateway.client import Gateway
from gateway.settings import AlertSettings
from operations import cli, ndjson
from operations.alerts.watch import AlertWatch
from operations.alerts.webhook import Webhook
from operations.doctor import outbox as doctors_outbox
from operations.doctor.result import Level
from operations.errors import FileUnusable
from tests.unit.test_cli import breaking

_NOWHERE = "redis://127.0.0.1:1/0"
_TOO_LONG = "x" * 300


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("BOTLIVE_OUTBOX", raising=False)
    for name, value in {
        "REDIS_URL": _NOWHERE,
        "DATABASE_URL": "postgresql://127.0.0.1:1/none",
        "SUPABASE_URL": "http://127.0.0.1:1",
        "SUPABASE_KEY": "sb_secret_none",
    }.items():
        monkeypatch.setenv(name, value)


def _run(*arguments: str) -> int:
    with pytest.raises(SystemExit) as ended:
        cli.main(arguments)
    return int(ended.value.code or 0)


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["publish", "-"], 0, "published 0, refused 0"),
        (["reconcile", "-"], 1, "bad 0"),
        (["erase", "-", "--yes"], 2, "a user id has 1 to 128 characters"),
    ],
)
def test_a_closed_stdin_is_an_empty_file(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    code: int,
    said: str,
) -> None:
    """With `<&-` there is no stdin; a command that reads it finds nothing."""
    monkeypatch.setattr(sys, "stdin", None)
    assert _run(*arguments) == code
    shown = capsys.readouterr()
    assert said in shown.out + shown.err


def test_a_file_that_fails_while_it_is_read_is_named() -> None:
    """A disk that fails in the middle of a file is an error with the file's name."""

    class Failing(io.BytesIO):
        name = "day.ndjson"

        def readline(self, size: int | None = -1, /) -> bytes:
            raise OSError(errno.EIO, os.strerror(errno.EIO))

    with pytest.raises(FileUnusable, match=r"^day\.ndjson: Input/output error: check the path"):
        next(ndjson.lines(Failing()))


def test_a_path_that_cannot_be_used_is_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """An error of the system about a file or folder is shown with its path, and with exit code 1."""
    breaking(monkeypatch, PermissionError(errno.EACCES, "Permission denied", "/root/x"))
    assert _run("broken") == 1
    assert capsys.readouterr().err == (
        "/root/x: Permission denied: check the path, its permissions and its disk, then run this again\n"
    )


def test_ctrl_c_while_a_command_is_loaded_shows_nothing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Ctrl-C in the first half second ends with 130, as Ctrl-C later does."""

    def interrupted(_: str) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(cli, "import_module", interrupted)
    assert _run("status") == 130
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("command", [["outbox", "status"], ["outbox", "drain"]])
def test_an_outbox_whose_path_cannot_be_looked_at_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], command: list[str]
) -> None:
    """A path that the system refuses to look at is a wrong setting."""
    monkeypatch.setenv("BOTLIVE_OUTBOX", _TOO_LONG)
    assert _run(*command) == 2
    assert capsys.readouterr().err == "BOTLIVE_OUTBOX: the file cannot be read, or is not an outbox\n"


def test_the_doctor_names_an_outbox_whose_path_cannot_be_looked_at() -> None:
    """The doctor says that the file cannot be read, and goes on."""
    assert [result.level for result in doctors_outbox.check(_TOO_LONG)] == [Level.FAILURE]


def test_an_outbox_that_cannot_be_read_is_no_unconfirmed_event(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """If every event is confirmed, an outbox that is a folder is named, and Redis is not blamed."""
    monkeypatch.setenv("BOTLIVE_OUTBOX", str(tmp_path))
    Path("bad.ndjson").write_text("{}\n")
    assert _run("publish", "bad.ndjson") == 1
    shown = capsys.readouterr()
    assert shown.out == (
        "published 0, refused 1; the file BOTLIVE_OUTBOX cannot be read, or is not an outbox\n"
    )
    assert "Redis did not confirm" not in shown.err


def test_an_outbox_that_cannot_be_looked_at_silences_no_alert() -> None:
    """The look reports the outbox as a problem instead of ending."""
    settings = AlertSettings(url=SecretStr("https://hooks.example"), outbox=_TOO_LONG)
    watch = AlertWatch(settings, fakeredis.FakeStrictRedis(), Webhook("https://hooks.example"))
    assert [problem.key for problem in watch._outbox()] == ["outbox"]


@pytest.mark.parametrize(
    "url", ["hooks.slack.com/services/T0", "ftp://hooks.example", "http://[::1", "https://"]
)
@pytest.mark.parametrize("command", [["alerts", "--test"], ["worker"]])
def test_a_webhook_without_an_address_is_a_wrong_setting(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], url: str, command: list[str]
) -> None:
    """The variable is named at the start, and its value is not shown."""
    monkeypatch.setenv("BOTLIVE_ALERT_URL", url)
    assert _run(*command) == 2
    assert capsys.readouterr().err == (
        "BOTLIVE_ALERT_URL: must be the whole address of a webhook, which begins with https:// and a host\n"
    )


def test_a_watch_that_ends_does_not_say_that_it_tries_again(capsys: pytest.CaptureFixture[str]) -> None:
    """`status --watch` ends if Redis is away at the first look, and says what to do."""
    assert _run("status", "--watch") == 1
    assert capsys.readouterr().err.endswith("run the command again when that is fixed\n")


_SHOP = {"company_id": "s" * 128, "uuid": "0197b6a2-5e1c-7d3a-9f00-3c2b1a0d9e8f", "name": "Boutique Awa"}


def test_a_list_of_companies_in_a_pipe_has_one_line_for_each(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without a terminal tabs separate the columns, and no line is broken, whatever COLUMNS says."""
    monkeypatch.setenv("COLUMNS", "20")
    monkeypatch.setattr(Gateway, "call", lambda *_: [_SHOP])
    assert _run("company", "list") == 0
    assert capsys.readouterr().out == "\t".join((*_SHOP.values(), "nobody")) + "\n"


def test_a_narrow_terminal_cuts_nothing_off(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """On a terminal of 40 columns the list breaks long texts, and shows all of them."""
    monkeypatch.setenv("COLUMNS", "40")
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(Gateway, "call", lambda *_: [_SHOP])
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    assert _run("company", "list") == 0
    shown = re.sub(r"\x1b\[[\d;]*m", "", capsys.readouterr().out)
    assert max(map(len, shown.splitlines())) <= 40
    assert shown.count("s") >= 128
    assert "\u2026" not in shown


def test_a_migration_that_is_interrupted_says_what_to_do(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """After Ctrl-C one line says that nothing is half done."""

    def interrupted(_: str) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("operations.commands.migrate.apply", interrupted)
    assert _run("migrate") == 130
    assert capsys.readouterr().err == ("interrupted: what is done stays done; run it again to do the rest\n")
