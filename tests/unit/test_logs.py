"""Log lines: JSON, complete and without personal data, whoever writes them."""

import json
import logging
from collections.abc import Callable, Iterator
from logging.handlers import WatchedFileHandler
from pathlib import Path
from typing import Any

import pytest
import structlog

from worker import logs

_PHONE = "+2250700000000"
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
    """What was logged to stderr since the last call. pytest gives each phase a stderr of its own."""
    return lambda: [json.loads(line) for line in capsys.readouterr().err.splitlines()]


def _fail_with_a_secret_local() -> None:
    customer = "Awa Konaté"
    raise ValueError(f"no such number: {_PHONE}\nat {len(customer)}")


def test_a_line_is_a_json_object(lines: Lines) -> None:
    """It has the text, the level, the logger's name, an instant in UTC and what was bound."""
    logs.configure()
    structlog.get_logger("botlive").info("ORDERS written", count=3)
    (line,) = lines()
    assert line.pop("timestamp").endswith("Z")
    assert line == {"event": "ORDERS written", "count": 3, "level": "info", "logger": "botlive"}


def test_foreign_lines_are_json_too(lines: Lines) -> None:
    """RQ logs through the standard library, with arguments."""
    logs.configure()
    logging.getLogger("rq.worker").warning("%s: job %s", "botlive", 7)
    (line,) = lines()
    assert line["event"] == "botlive: job 7"
    assert (line["level"], line["logger"]) == ("warning", "rq.worker")


def test_bound_context_is_merged(lines: Lines) -> None:
    """event_id, event_type and job_id stand on our lines and on RQ's."""
    logs.configure()
    structlog.contextvars.bind_contextvars(event_id="e", job_id="j")
    structlog.get_logger("botlive").info("ours")
    logging.getLogger("rq.worker").info("theirs")
    assert [(line["event_id"], line["job_id"]) for line in lines()] == [("e", "j")] * 2


def test_personal_data_is_masked_everywhere(capsys: pytest.CaptureFixture[str]) -> None:
    """In the text, in bound values at any depth, under private keys, in foreign arguments."""
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
    """Type and message on one line; frames without local variables or source text."""
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
    """What led to an exception is named; its words, which may quote a row, are not."""
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
    """LOG_DIR is made where missing; its file holds JSON, masked."""
    logs.configure(tmp_path / "new")
    structlog.get_logger("botlive").info(f"for {_PHONE}")
    (line,) = lines()
    written = [json.loads(text) for text in (tmp_path / "new" / "worker.json").read_text().splitlines()]
    assert [entry["event"] for entry in written] == [line["event"]] == ["for ***"]


def test_the_file_may_be_moved_away(tmp_path: Path) -> None:
    """As logrotate does it: the next line goes to a new file of the old name."""
    logs.configure(tmp_path)
    structlog.get_logger("botlive").info("first")
    (tmp_path / "worker.json").rename(tmp_path / "worker.json.1")
    structlog.get_logger("botlive").info("second")
    files = [(tmp_path / name).read_text() for name in ("worker.json.1", "worker.json")]
    assert [json.loads(text)["event"] for text in files] == ["first", "second"]


def test_a_terminal_gets_readable_lines(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """On a terminal stderr is for people, masked as well; the file stays JSON."""
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    logs.configure(tmp_path)
    structlog.get_logger("botlive").info("for people", number=_PHONE)
    shown = capsys.readouterr().err
    assert "for people" in shown
    assert "0700000000" not in shown
    assert not shown.startswith("{")
    assert json.loads((tmp_path / "worker.json").read_text())["event"] == "for people"


def test_configuring_twice_logs_once(lines: Lines) -> None:
    """A second call replaces the first."""
    logs.configure()
    logs.configure()
    logging.getLogger("rq.worker").info("once")
    assert len(lines()) == 1


def test_the_level_holds_for_all(lines: Lines) -> None:
    """Debug lines, and httpx's line per request, stay out by default."""
    logs.configure()
    structlog.get_logger("botlive").debug("noise")
    logging.getLogger("rq.worker").debug("noise")
    logging.getLogger("httpx").info("HTTP Request: POST https://shop.example")
    assert lines() == []


def test_a_failing_handler_leaks_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    """What logging prints when a line cannot be written is masked already."""
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
