"""What a worker and the commands say at once of the way to Supabase, before any event waits."""

import base64
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from devstack.stack import Stack
from operations import cli
from tests import forked
from tests.integration.line import BIN, BOTLIVE_WORKER, Line, until
from tests.make import order

pytestmark = pytest.mark.slow

_HTML = b"<html><body>+2250700000000</body></html>"
Site = Callable[..., str]


@pytest.fixture
def site() -> Iterator[Site]:
    """Serves one answer to every request; what the address is."""
    servers: list[ThreadingHTTPServer] = []

    def serve(status: int, body: bytes = _HTML, **headers: str) -> str:
        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                self.send_response(status)
                for name, value in {"Content-Length": str(len(body)), **headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: Any) -> None:
                pass

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        servers.append(server)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        return f"http://127.0.0.1:{server.server_address[1]}"

    yield serve
    for server in servers:
        server.shutdown()
        server.server_close()


@contextmanager
def worker(line: Line, log: Path, **environment: str) -> Iterator[Callable[[str], list[dict[str, Any]]]]:
    """A worker with that environment; what its log says under a name."""
    log.touch()
    with forked.running(["worker"], {**line.environment, **environment}, stderr=log) as process:

        def said(event: str) -> list[dict[str, Any]]:
            entries = [json.loads(text) for text in log.read_text().splitlines(keepends=True) if "\n" in text]
            return [entry for entry in entries if entry["event"] == event]

        yield said
        assert process.poll() is None
        process.terminate()
        process.wait(30)


MISSING = json.dumps({"code": "PGRST202", "message": "Could not find the function"}).encode()
INVALID = json.dumps({"message": "Invalid API key", "hint": "Double check it."}).encode()


@pytest.mark.parametrize(
    ("status", "body", "words"),
    [
        (404, MISSING, "run `botlive migrate`"),
        (401, INVALID, "SUPABASE_KEY"),
        (404, _HTML, "no API of Supabase"),
        (200, _HTML, "not the database's API"),
        (402, INVALID, "its quota is used up"),
        (403, _HTML, "a proxy or firewall"),
        (301, b"", "redirects to another address"),
        (540, b"", "is paused"),
    ],
)
def test_what_is_wrong_is_told_before_any_event_waits(
    line: Line, site: Site, tmp_path: Path, status: int, body: bytes, words: str
) -> None:
    """An idle worker logs once why it would hold, and keeps running until somebody repairs the project."""
    with worker(line, tmp_path / "log", SUPABASE_URL=site(status, body)) as said:
        until(lambda: len(said("held")) > 0, 20)
        until(lambda: len(line.redis.keys(f"rq:workers:{line.name}")) > 0, 5)
    (held,) = said("held")
    assert words in held["reason"]
    assert ("migrate" in held["reason"]) == (body == MISSING)
    assert "+225" not in (tmp_path / "log").read_text()


def test_a_key_that_is_not_admitted_is_told_at_once(line: Line, tmp_path: Path) -> None:
    """A key of another project, from the real gateway."""
    with worker(line, tmp_path / "log", SUPABASE_KEY="sb_secret_of_another_project") as said:
        until(lambda: len(said("held")) > 0, 20)
        assert "SUPABASE_KEY" in said("held")[0]["reason"]


def test_what_comes_along_with_a_copied_key_does_no_harm(line: Line) -> None:
    """Quotes, a line end, a no-break space, an invisible letter: events go through."""
    company_id, uuid = line.shop()
    line.publisher.publish(order(company_id))
    key, url = line.environment["SUPABASE_KEY"], line.environment["SUPABASE_URL"]
    line.environment |= {"SUPABASE_KEY": f'"\u00a0{key}\u200b\n"', "SUPABASE_URL": f" '{url}/rest/v1/'\n"}
    line.work()
    assert len(line.rows([uuid]).orders) == 1


def test_a_setting_that_cannot_be_a_key_ends_the_start(line: Line, stack: Stack) -> None:
    """One line that names the key that is wanted, and exit code 2; the anon key of the very project too."""
    payload = base64.urlsafe_b64encode(b'{"role":"authenticated"}').decode().rstrip("=")
    for key in (stack.environment["SUPABASE_ANON_KEY"], f"eyJ0.{payload}.s3cr3t", "sb_publishable_s3cr3t"):
        line.environment["SUPABASE_KEY"] = key
        done = line.run(*BOTLIVE_WORKER, "--burst")
        assert done.returncode == 2
        (said,) = done.stderr.splitlines()
        assert said.startswith("SUPABASE_KEY: is the ")
        assert key not in said


def test_an_outage_at_the_start_needs_no_hand(line: Line, stack: Stack, tmp_path: Path) -> None:
    """It is said, and that it is over; what was published meanwhile is persisted."""
    company_id, uuid = line.shop()
    stack.gateway.kill()
    try:
        with worker(line, tmp_path / "log") as said:
            until(lambda: len(said("held")) > 0, 20)
            assert "(nothing listens there)" in said("held")[0]["reason"]
            line.publisher.publish(order(company_id))
            stack.gateway.start()
            until(lambda: len(line.rows([uuid]).orders) == 1, 30)
            until(lambda: len(said("resumed")) > 0, 10)
    finally:
        stack.gateway.start()
    assert len(said("held")) == 1


def test_a_burst_with_nothing_to_do_ends_all_the_same(line: Line, site: Site) -> None:
    """The worker logs the problem and ends without waiting for the end of the outage."""
    line.environment["SUPABASE_URL"] = site(404, MISSING)
    done = line.run(*BOTLIVE_WORKER, "--burst")
    assert done.returncode == 0
    assert [json.loads(text)["event"] for text in done.stderr.splitlines()].count("held") == 1


def called(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str]:
    """The command, in this process: its exit code and what it says on stderr."""
    with pytest.raises(SystemExit) as ended:
        cli.main(arguments)
    return int(ended.value.code or 0), capsys.readouterr().err


@pytest.fixture
def at(line: Line, site: Site, monkeypatch: pytest.MonkeyPatch) -> Callable[[bytes], None]:
    """Answer every request to Supabase with this body and status 200."""

    def answer(body: bytes) -> None:
        for name, value in {**line.environment, "SUPABASE_URL": site(200, body)}.items():
            monkeypatch.setenv(name, value)

    return answer


@pytest.mark.parametrize("body", [_HTML, b"null", b"{}", b'["a"]', b'[{"company_id": 7}]', b"7", b'"text"'])
@pytest.mark.parametrize("command", [["list"], ["add", "shop"], ["link", "shop"]], ids=str)
def test_the_commands_outlive_any_answer(
    at: Callable[[bytes], None], capsys: pytest.CaptureFixture[str], command: list[str], body: bytes
) -> None:
    """Any answer with status 200 gives one line and exit code 1."""
    at(body)
    code, said = called(capsys, "company", *command)
    assert code == 1
    assert said.startswith(("the server at SUPABASE_URL", "the database's answer"))
    assert said.count("\n") == 1


@pytest.mark.parametrize("body", [_HTML, b"null", b"[1]", b'{"a": 7}', b"7"])
def test_reconcile_outlives_any_answer(
    at: Callable[[bytes], None], capsys: pytest.CaptureFixture[str], tmp_path: Path, body: bytes
) -> None:
    """The same."""
    file = tmp_path / "events.ndjson"
    file.write_text(order("shop").model_dump_json(exclude_none=True))
    at(body)
    code, said = called(capsys, "reconcile", str(file))
    assert code == 1
    assert said.startswith(("the server at SUPABASE_URL", "the database's answer"))
    assert said.count("\n") == 1


def test_a_companys_name_is_no_markup(line: Line) -> None:
    """Brackets are shown as they are, and what a terminal would obey is not."""
    name = "[/bold] [red]Awa\x1b[31m"
    company_id, _ = line.shop()
    add = [str(BIN / "botlive"), "company", "add", f"markup-{company_id}", "--name", name]
    assert line.run(*add).returncode == 0
    line.environment["COLUMNS"] = "300"
    done = line.run(str(BIN / "botlive"), "company", "list")
    assert done.returncode == 0, done.stderr
    assert "[/bold] [red]Awa?[31m" in done.stdout
