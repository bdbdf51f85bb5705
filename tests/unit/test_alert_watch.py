"""Alerts: what is a problem, and that nothing that fails ends the watch."""

from pathlib import Path
from unittest.mock import Mock

import fakeredis
import pytest
import typer
from pydantic import SecretStr
from structlog.testing import capture_logs

from gateway.errors import MissingSetting
from gateway.settings import AlertSettings
from operations.alerts import watch as module
from operations.alerts.problem import problems
from operations.alerts.watch import AlertWatch
from operations.alerts.webhook import Message, Webhook
from operations.commands import alerts as command
from operations.status import Status


class Service:
    """A webhook that keeps the messages, and may refuse them."""

    def __init__(self, refusal: str | None = None) -> None:
        self.got: list[Message] = []
        self.refusal = refusal

    def send(self, message: Message) -> str | None:
        """Keep the message."""
        self.got.append(message)
        return self.refusal


def made(service: Service, outbox: str | None = None) -> AlertWatch:
    """Return a watch on an empty queue that needs no worker."""
    settings = AlertSettings(url=SecretStr("https://example.test/hook"), workers=0, outbox=outbox)
    return AlertWatch(settings, fakeredis.FakeStrictRedis(), Mock(spec=Webhook, send=service.send))


def test_events_that_wait_apart_are_a_problem() -> None:
    """Their shop's tables take none, and only a person can mend them."""
    status = Status("botlive", 0, 0, 2, 0, {}, None, [], is_suspended=False, wrong_keys=[])
    assert [problem.words for problem in problems(status, oldest=300, workers=0)] == [
        "2 events wait apart; run `botlive failures`"
    ]


def test_an_outbox_that_cannot_be_read_is_a_problem(tmp_path: Path) -> None:
    """It may be full of events, and nobody would know."""
    (tmp_path / "outbox").write_text("no SQLite file, but longer than its header of one hundred bytes" * 9)
    service = Service()
    made(service, str(tmp_path / "outbox")).look()
    assert [message.begun for message in service.got] == [
        ["the chat's outbox cannot be read; run `botlive doctor`"]
    ]


def test_a_bug_does_not_end_the_watch(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is logged by its kind, and the next look comes."""
    monkeypatch.setattr(module, "EVERY", 0.001)
    watch, looks = made(Service()), 0

    def look() -> None:
        nonlocal looks
        looks += 1
        if looks == 1:
            raise ZeroDivisionError("+2250700000000")
        watch.stop(15)

    monkeypatch.setattr(watch, "look", look)
    with capture_logs() as lines:
        watch.run()
    assert looks == 2
    assert lines == [
        {"event": "looking for problems failed", "error": "ZeroDivisionError", "log_level": "error"}
    ]


@pytest.fixture
def commanded(monkeypatch: pytest.MonkeyPatch) -> Mock:
    """The watch of the command."""
    watch = Mock()
    monkeypatch.setattr(command, "AlertWatch", Mock(of=lambda _: watch))
    monkeypatch.setattr(command, "configure", Mock())
    return watch


def test_the_command_needs_an_address(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without one nobody would get an alert."""
    monkeypatch.delenv("BOTLIVE_ALERT_URL", raising=False)
    with pytest.raises(MissingSetting, match="BOTLIVE_ALERT_URL"):
        command.alerts()


def test_a_test_message_that_was_sent_ends_the_command(
    commanded: Mock, capsys: pytest.CaptureFixture[str]
) -> None:
    """It says so, and the watch does not begin."""
    commanded.test.return_value = None
    command.alerts(test=True)
    assert capsys.readouterr().out == "sent\n"
    commanded.run.assert_not_called()


def test_a_test_message_that_was_not_sent_is_an_error(
    commanded: Mock, capsys: pytest.CaptureFixture[str]
) -> None:
    """The line says why, and so does the exit code; the watch does not begin."""
    commanded.test.return_value = "HTTP 404"
    with pytest.raises(typer.Exit) as ended:
        command.alerts(test=True)
    assert ended.value.exit_code == 1
    assert "HTTP 404" in capsys.readouterr().err
    commanded.run.assert_not_called()


def test_the_command_watches_until_it_is_stopped(commanded: Mock, monkeypatch: pytest.MonkeyPatch) -> None:
    """SIGTERM ends it after the present look."""
    handle = Mock()
    monkeypatch.setattr("operations.commands.alerts.signal.signal", handle)
    command.alerts()
    commanded.run.assert_called_once_with()
    _, stop = handle.call_args.args
    stop(15, None)
    commanded.stop.assert_called_once_with(15)
