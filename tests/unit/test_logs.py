"""Log lines: JSON, complete and without personal data, from our code and from libraries."""

import contextlib
import io
import json
import logging
import os
from collections.abc import Callable, Iterator
from logging.handlers import WatchedFileHandler
from pathlib import Path
from typing import Any

import pytest
import structlog

from operations import logs

_PHONE = "+2250700000000"
_TWO = "%s and no second argument: %s"
Lines = Callable[[], list[dict[str, Any]]]


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    for handler in root.handlers:
        if isinstance(handler, WatchedFileHandler):
            handler.close()
    root.handlers, root.level = handlers, level
    logging.captureWarnings(False)
    structlog.reset_defaults()
    structlog.contextvars.clear_contextvars()


@pytest.fixture
def lines(capsys: pytest.CaptureFixture[str]) -> Lines:
    """Return what was logged to stderr since the last call; pytest gives each phase its own stderr."""
    return lambda: [json.loads(line) for line in capsys.readouterr().err.splitlines()]


def _fail_with_a_secret_local() -> None:
    customer = "Awa Konaté"
    raise ValueError(f"no such number: {_PHONE}\nat {len(customer)}")


def test_a_line_is_a_json_object(lines: Lines) -> None:
    """A line has the text, the level, the logger's name, a UTC time and the bound values."""
    logs.configure()
    structlog.get_logger("botlive").info("ORDERS written", count=3)
    (line,) = lines()
    assert line.pop("timestamp").endswith("Z")
    assert line == {"event": "ORDERS written", "count": 3, "level": "info", "logger": "botlive"}


def test_foreign_lines_are_json_too(lines: Lines) -> None:
    """Lines that RQ logs through the standard library, with arguments, are JSON too."""
    logs.configure()
    logging.getLogger("rq.worker").warning("%s: job %s", "botlive", 7)
    (line,) = lines()
    assert line["event"] == "botlive: job 7"
    assert (line["level"], line["logger"]) == ("warning", "rq.worker")


def test_bound_context_is_merged(lines: Lines) -> None:
    """Our lines and RQ's have event_id, event_type and job_id."""
    logs.configure()
    structlog.contextvars.bind_contextvars(event_id="e", job_id="j")
    structlog.get_logger("botlive").info("ours")
    logging.getLogger("rq.worker").warning("theirs")
    assert [(line["event_id"], line["job_id"]) for line in lines()] == [("e", "j")] * 2


def test_personal_data_is_masked_everywhere(capsys: pytest.CaptureFixture[str]) -> None:
    """Personal data is masked in texts, in nested values, under private keys and in arguments."""
    logs.configure()
    structlog.contextvars.bind_contextvars(customer_name="Awa")
    structlog.get_logger("botlive").info(f"from {_PHONE}", data={"user_id": "Awa", "list": [_PHONE]})
    logging.getLogger("rq.worker").error("from %s", _PHONE)
    shown = capsys.readouterr().err
    assert shown.count("\n") == 2
    assert "0700000000" not in shown
    assert "Awa" not in shown
    assert shown.count("from ***") == 2


def test_an_exception_is_one_line_and_a_stack(lines: Lines) -> None:
    """An exception has its type and message on one line, and frames without variables or source."""
    logs.configure()
    try:
        _fail_with_a_secret_local()
    except ValueError:
        structlog.get_logger("botlive").exception("it failed")
        logging.getLogger("rq.worker").exception("it failed")
    for line in lines():
        assert line["exception"] == "ValueError: no such number: *** at 10"
        assert "in _fail_with_a_secret_local" in line["stack"]
        assert "Konat" not in json.dumps(line)
        assert "exc_info" not in line


def test_a_cause_is_told_by_its_type(lines: Lines) -> None:
    """The cause of an exception is shown by its type, without its message, which may quote a row."""
    logs.configure()
    try:
        try:
            dict[str, int]()["Awa Traoré"]
        except KeyError as error:
            raise RuntimeError("Supabase is away") from error
    except RuntimeError as error:
        structlog.get_logger("botlive").error("held", exc_info=error)
    (line,) = lines()
    assert line["exception"] == "RuntimeError: Supabase is away"
    assert "from KeyError" in line["stack"]
    assert "Traor" not in json.dumps(line)


def test_exc_info_without_an_exception_is_no_trouble(lines: Lines) -> None:
    """A line logged with exc_info outside of an except block has no exception."""
    logs.configure()
    structlog.get_logger("botlive").error("calm", exc_info=True)
    (line,) = lines()
    assert "exception" not in line


def test_the_file_gets_the_same_lines(lines: Lines, tmp_path: Path) -> None:
    """LOG_DIR is created if it is missing; its file has the same lines as masked JSON."""
    logs.configure(tmp_path / "new")
    structlog.get_logger("botlive").info(f"for {_PHONE}")
    (line,) = lines()
    written = [json.loads(text) for text in (tmp_path / "new" / "worker.json").read_text().splitlines()]
    assert [entry["event"] for entry in written] == [line["event"]] == ["for ***"]


def test_the_file_may_be_moved_away(tmp_path: Path) -> None:
    """After a rotation by logrotate, the next line goes to a new file with the old name."""
    logs.configure(tmp_path)
    structlog.get_logger("botlive").info("first")
    (tmp_path / "worker.json").rename(tmp_path / "worker.json.1")
    structlog.get_logger("botlive").info("second")
    files = [(tmp_path / name).read_text() for name in ("worker.json.1", "worker.json")]
    assert [json.loads(text)["event"] for text in files] == ["first", "second"]


def test_a_terminal_gets_readable_lines(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """A terminal gets readable masked lines, and the file JSON."""
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    logs.configure(tmp_path)
    structlog.get_logger("botlive").info("for people", number=_PHONE)
    shown = capsys.readouterr().err
    assert "for people" in shown
    assert "0700000000" not in shown
    assert not shown.startswith("{")
    assert json.loads((tmp_path / "worker.json").read_text())["event"] == "for people"


@pytest.mark.parametrize(("name", "value"), [("NO_COLOR", "1"), ("TERM", "dumb")])
def test_a_terminal_without_colours_gets_none(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], name: str, value: str
) -> None:
    """NO_COLOR and TERM=dumb turn the colours of a terminal off."""
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    logs.configure()
    logging.getLogger("botlive").warning("with colours")
    assert "\x1b" in capsys.readouterr().err
    monkeypatch.setenv(name, value)
    logs.configure()
    logging.getLogger("botlive").warning("without colours")
    assert "\x1b" not in capsys.readouterr().err


def test_configuring_twice_logs_once(lines: Lines) -> None:
    """A second call replaces the first configuration."""
    logs.configure()
    logs.configure()
    logging.getLogger("rq.worker").warning("once")
    assert len(lines()) == 1


def test_the_level_holds_for_all(lines: Lines) -> None:
    """Debug lines, and httpx's line for each request, are not logged by default."""
    logs.configure()
    structlog.get_logger("botlive").debug("noise")
    logging.getLogger("rq.worker").debug("noise")
    logging.getLogger("httpx").info("HTTP Request: POST https://shop.example")
    assert lines() == []


@pytest.mark.parametrize(
    "chatter",
    [
        (logging.INFO, "*** Listening on %s..."),
        (logging.INFO, "Worker %s: cleaning registries for queue: botlive"),
        (logging.ERROR, "Worker %s: could not connect to Redis instance: x retrying in 2 seconds..."),
    ],
)
def test_chatter_of_rq_is_at_debug(lines: Lines, tmp_path: Path, chatter: tuple[int, str]) -> None:
    """RQ's lines about its own work are neither on stderr nor in the file, but they are at level debug."""
    level, text = chatter
    rq = logging.getLogger("rq.tests")  # other tests may have set the level of rq.worker
    logs.configure(tmp_path)
    rq.log(level, text, "botlive")
    assert lines() == []
    assert (tmp_path / "worker.json").read_text() == ""
    logging.getLogger().setLevel(logging.DEBUG)
    rq.log(level, text, "botlive")
    (line,) = lines()
    assert line["level"] == "debug"
    assert json.loads((tmp_path / "worker.json").read_text())["level"] == "debug"


def test_warnings_and_errors_of_rq_stay(lines: Lines) -> None:
    """What RQ cannot do is no chatter."""
    logs.configure()
    logging.getLogger("rq.worker").warning("Worker %s: cold shut down", "a")
    logging.getLogger("rq.worker").error("Worker %s: found an unhandled exception, quitting...", "a")
    assert [line["level"] for line in lines()] == ["warning", "error"]


def test_a_failing_handler_leaks_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    """What logging prints about a failed handler is masked."""
    logs.configure()

    class Broken(logging.StreamHandler[Any]):
        def emit(self, record: logging.LogRecord) -> None:
            try:
                getattr(record, "no_such_" + "attribute")
            except AttributeError:
                self.handleError(record)

    logging.getLogger().handlers = [Broken()]
    structlog.get_logger("botlive").info("written", user_id="".join(["Fatou", "mata"]), text=_PHONE)
    shown = capsys.readouterr().err
    assert "no_such_attribute" in shown
    assert "Fatoumata" not in shown
    assert "0700000000" not in shown


def _events(text: str) -> list[str]:
    return [json.loads(line)["event"] for line in text.splitlines()]


def _full(folder: Path) -> None:
    (folder / "worker.json").symlink_to("/dev/full")


def _a_directory(folder: Path) -> None:
    (folder / "worker.json").mkdir()


def _a_file_in_its_folders_place(folder: Path) -> None:
    folder.rmdir()
    folder.write_text("")


@pytest.mark.parametrize("damage", [_full, _a_directory, _a_file_in_its_folders_place])
def test_a_file_that_cannot_be_written_is_told_once(
    lines: Lines, tmp_path: Path, damage: Callable[[Path], None]
) -> None:
    """Stderr gets every line, and one line with the reason why the file cannot be written."""
    folder = tmp_path / "logs"
    folder.mkdir()
    damage(folder)
    logs.configure(folder)
    for number in range(3):
        structlog.get_logger("botlive").info("line", number=number, user_id=_PHONE)
    told = lines()
    assert [line["event"] for line in told if line["event"] != "log file fails"] == ["line"] * 3
    (trouble,) = [line for line in told if line["event"] == "log file fails"]
    assert "the lines go only to stderr" in trouble["reason"]
    assert trouble["file"].endswith("worker.json")


def test_a_file_that_works_again_is_told_and_written(lines: Lines, tmp_path: Path) -> None:
    """After a full disk the file is written again, without the lines that were lost."""
    _full(tmp_path)
    logs.configure(tmp_path)
    log = structlog.get_logger("botlive")
    log.info("lost")
    (tmp_path / "worker.json").unlink()
    log.info("kept")
    log.info("kept too")
    assert [line["event"] for line in lines()] == [
        *("lost", "log file fails", "kept", "log file works again", "kept too"),
    ]
    assert _events((tmp_path / "worker.json").read_text()) == ["kept", "log file works again", "kept too"]


def test_a_folder_that_was_removed_is_made_anew(lines: Lines, tmp_path: Path) -> None:
    """If the folder was deleted, the next line goes to a new file, and no problem is logged."""
    folder = tmp_path / "logs"
    logs.configure(folder)
    structlog.get_logger("botlive").info("first")
    (folder / "worker.json").unlink()
    folder.rmdir()
    structlog.get_logger("botlive").info("second")
    assert [line["event"] for line in lines()] == ["first", "second"]
    assert _events((folder / "worker.json").read_text()) == ["second"]


def test_a_rotation_to_another_owner_is_told(
    lines: Lines, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file that was replaced by one without write permission is reported."""
    logs.configure(tmp_path)
    log = structlog.get_logger("botlive")
    log.info("first")
    (tmp_path / "worker.json").rename(tmp_path / "worker.json.1")

    def refuse(*_: object) -> None:
        raise PermissionError(13, "Permission denied", _PHONE)

    monkeypatch.setattr("operations.logfiles.LogFile._open", refuse)
    log.info("second")
    log.info("third")
    told = lines()
    assert [line["event"] for line in told] == ["first", "second", "log file fails", "third"]
    assert told[2]["reason"].startswith("Permission denied: ")


@pytest.mark.parametrize("stream", ["closed", "broken", "none"])
def test_a_stderr_that_takes_nothing_ends_nothing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, stream: str
) -> None:
    """If stderr is closed, missing or without a reader, the file still gets the lines."""
    reader, writer = os.pipe()
    os.close(reader)
    broken = os.fdopen(writer, "w")
    closed = io.StringIO()
    closed.close()
    monkeypatch.setattr("sys.stderr", {"closed": closed, "broken": broken, "none": None}[stream])
    logs.configure(tmp_path)
    structlog.get_logger("botlive").info("for the file")
    logging.getLogger("rq.worker").error(_TWO, _PHONE)
    assert _events((tmp_path / "worker.json").read_text())[0] == "for the file"
    with contextlib.suppress(BrokenPipeError):
        broken.close()


def test_a_line_that_cannot_be_made_shows_no_data(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """A line that cannot be formatted is reported without its arguments."""
    logs.configure(tmp_path)
    logging.getLogger("rq.worker").error(_TWO, _PHONE)
    shown = capsys.readouterr().err + (tmp_path / "worker.json").read_text()
    assert _PHONE not in shown
    assert "Traceback" not in shown
    assert _events(shown) == ["log line lost"] * 2  # on stderr, and in the file
