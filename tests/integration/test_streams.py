"""Unusual streams, files and arguments: no command and no worker ends because of them."""

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from events import Publisher
from events.errors import OutboxFailed
from tests import forked
from tests.integration.line import BIN, BOTLIVE_WORKER, Line, until
from tests.make import order

pytestmark = pytest.mark.slow

BOTLIVE = str(BIN / "botlive")
_C = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
_NAME = "Café Ünï ✓ 商店 😀"


def persisted(
    line: Line, command: str, tmp_path: Path, **environment: str
) -> subprocess.CompletedProcess[str]:
    """Publish an order, run a worker by a shell command, which names it "$@"; check the order's rows."""
    company_id, uuid = line.shop()
    line.publisher.publish(order(company_id))
    line.environment |= environment
    done = line.run("sh", "-c", command, "sh", *BOTLIVE_WORKER, "--burst", cwd=tmp_path)
    assert len(line.rows([uuid]).orders) == 1, done.stderr
    return done


@pytest.mark.parametrize(
    "command",
    [
        *[
            '"$@" 2>&-',
            '"$@" >&-',
            '"$@" <&- >&- 2>&-',
            '"$@" 2>/dev/full >/dev/full',
            '"$@" 2>&1 >&- | true',
        ],
        '"$@" 2>&1 | head -c 10',
    ],
)
def test_a_worker_outlives_its_streams(line: Line, tmp_path: Path, command: str) -> None:
    """With closed, full or unread streams the event is persisted, and the log file records it."""
    done = persisted(line, command, tmp_path, LOG_DIR=str(tmp_path / "logs"))
    assert done.returncode == 0
    written = [json.loads(text) for text in (tmp_path / "logs" / "worker.json").read_text().splitlines()]
    assert "persisted" in [entry["event"] for entry in written]


@pytest.mark.parametrize("folder", ["/proc/no/such/folder", "/dev/null/logs", "a file"])
def test_a_log_folder_that_cannot_be_made_is_one_line(line: Line, tmp_path: Path, folder: str) -> None:
    """If the log folder cannot be created, the worker runs and stderr has one line about it."""
    (tmp_path / "a file").write_text("")
    done = persisted(line, '"$@"', tmp_path, LOG_DIR=folder)
    told = [json.loads(text) for text in done.stderr.splitlines()]
    assert done.returncode == 0
    assert [entry["event"] for entry in told].count("log file fails") == 1
    assert told[0]["event"] == "log file fails"
    assert "persisted" in [entry["event"] for entry in told]


def test_a_full_disk_ends_no_worker(line: Line, tmp_path: Path) -> None:
    """A worker survives a full disk; it reports it once, and reports when the file works again."""
    logs, log = tmp_path / "logs", tmp_path / "stderr"
    logs.mkdir()
    (logs / "worker.json").symlink_to("/dev/full")
    company_id, uuid = line.shop()

    def said() -> list[str]:
        return [
            json.loads(text)["event"] for text in log.read_text().splitlines(keepends=True) if "\n" in text
        ]

    environment = {**line.environment, "LOG_DIR": str(logs)}
    with forked.running(["worker"], environment, stderr=log) as process:
        until(log.exists, 20)
        line.publisher.publish(order(company_id))
        until(lambda: said().count("persisted") == 1, 20)
        (logs / "worker.json").unlink()
        line.publisher.publish(order(company_id))
        until(lambda: said().count("persisted") == 2, 20)
        until(lambda: "log file works again" in said(), 5)
        assert said().count("log file fails") == 1
        assert process.poll() is None
        process.terminate()
        process.wait(30)
    assert len(line.rows([uuid]).orders) == 2
    assert "persisted" in (logs / "worker.json").read_text()


_BAD = b"".join(b'{"type": "\xff"}\n' for _ in range(3000))


def test_a_broken_stderr_does_not_end_a_publishing(line: Line, tmp_path: Path) -> None:
    """With a broken stderr, the valid line after thousands of invalid ones is published."""
    file = tmp_path / "events.ndjson"
    event = order(line.shop()[0])
    file.write_bytes(_BAD + event.model_dump_json(exclude_none=True).encode())
    line.run("sh", "-c", '"$@" 2>&1 >/dev/null | true', "sh", BOTLIVE, "publish", str(file))
    assert line.queue.get_job_ids() == [str(event.event_id)]


def test_output_without_a_reader_is_no_failure(line: Line) -> None:
    """With `| head` there is no traceback and no failure."""
    for _ in range(3):
        line.shop()
    pipe = 'set -o pipefail; "$@" | true'
    done = line.run("bash", "-c", pipe, "bash", BOTLIVE, "company", "list")
    assert (done.returncode, done.stderr) == (0, "")


def test_output_that_is_lost_is_no_success(line: Line) -> None:
    """If the output is lost on a full disk, the exit code is 1 and one line says so."""
    line.shop()
    done = line.run("sh", "-c", '"$@" >/dev/full', "sh", BOTLIVE, "company", "list")
    assert done.returncode == 1
    assert "could not be written (No space left on device)" in done.stderr
    assert "Traceback" not in done.stderr


def listed(line: Line, **environment: str) -> subprocess.CompletedProcess[bytes]:
    """Return the output of `company list` in this environment, as bytes."""
    command = [BOTLIVE, "company", "list"]
    surroundings = {**line.environment, "COLUMNS": "400", **environment}
    return subprocess.run(command, env=surroundings, capture_output=True, timeout=60, check=False)


@pytest.mark.parametrize(
    ("environment", "encoding"),
    [({"PYTHONIOENCODING": "ascii"}, "ascii"), ({"PYTHONIOENCODING": "latin-1"}, "latin-1"), (_C, "ascii")],
    ids=str,
)
def test_a_letter_that_a_stream_cannot_show_is_escaped(
    line: Line, environment: dict[str, str], encoding: str
) -> None:
    """Characters that the output cannot encode are escaped, and the command succeeds."""
    company_id, _ = line.shop()
    line.gateway.call("botlive_company_add", {"text_id": f"{company_id}-é", "shop_name": _NAME})
    done = listed(line, **environment)
    assert (done.returncode, done.stderr) == (0, b"")
    assert _NAME.encode(encoding, "backslashreplace") in done.stdout
    assert f"{company_id}-é".encode(encoding, "backslashreplace") in done.stdout


def run(line: Line, arguments: Sequence[Any], **environment: str) -> subprocess.CompletedProcess[bytes]:
    """Run the command with arguments as bytes."""
    surroundings = {**line.environment, **environment}
    return subprocess.run(
        [BOTLIVE, *arguments], env=surroundings, capture_output=True, timeout=60, check=False
    )


@pytest.mark.parametrize("environment", [_C, {}, {"PYTHONIOENCODING": "ascii"}], ids=str)
def test_letters_that_were_typed_reach_supabase(line: Line, environment: dict[str, str]) -> None:
    """Typed ids and names reach Supabase unchanged, in any locale."""
    company_id = f"Café-{line.name}"
    done = run(line, ["company", "add", company_id.encode(), "--name", _NAME.encode()], **environment)
    assert done.returncode == 0, done.stderr
    line.shops.append(company_id)
    query = "select c.name from public.companies c join public.company_mapping m on m.uuid = c.id"
    found = line.database.execute(f"{query} where m.company_id = %s".encode(), [company_id]).fetchall()
    assert found == [{"name": _NAME}]


@pytest.mark.parametrize("environment", [_C, {}], ids=str)
def test_an_argument_that_is_no_text_is_a_wrong_call(line: Line, environment: dict[str, str]) -> None:
    """Arguments that are not UTF-8 have exit code 2, and nothing is added."""
    done = run(line, ["company", "add", b"Caf\xe9"], **environment)
    assert done.returncode == 2
    assert b"not valid UTF-8" in done.stderr
    assert b"Traceback" not in done.stderr


def test_a_file_may_be_called_anything(line: Line, tmp_path: Path) -> None:
    """A file whose name has an accent is found, even with LC_ALL=C."""
    event = order(line.shop()[0])
    for name in (os.fsencode(tmp_path) + "/Café".encode(), os.fsencode(tmp_path) + b"/Caf\xe9"):
        with open(name, "w", encoding="utf-8") as file:  # noqa: PTH123 # a Path is no bytes
            file.write(event.model_dump_json(exclude_none=True))
        done = run(line, ["publish", name], **_C)
        assert done.returncode == 0, done.stderr
    assert line.queue.get_job_ids() == [str(event.event_id)]


def test_a_reason_with_accents_is_kept_as_typed(line: Line) -> None:
    """`failures discard --why` keeps accents, even with LC_ALL=C."""
    line.publisher.publish(order("nobody-knows-it"))
    line.work()
    (job_id,) = line.failed()
    done = run(line, ["failures", "discard", job_id, "--why", "déjà vu".encode()], **_C)
    assert done.returncode == 0, done.stderr
    told = line.run(BOTLIVE, "failures", "discarded", "--json").stdout
    assert json.loads(told.splitlines()[0])["why"] == "déjà vu"


def test_the_outbox_may_be_in_the_home(line: Line, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """``~`` is expanded as in a shell, by the chat and by `botlive outbox`."""
    for name, value in {
        **line.environment,
        "REDIS_URL": "redis://127.0.0.1:1",
        "HOME": str(tmp_path),
        "BOTLIVE_OUTBOX": "~/kept/outbox.db",
    }.items():
        monkeypatch.setenv(name, value)
        line.environment[name] = value
    with Publisher.from_env(within=5) as publisher:
        publisher.publish(order("shop"))
    assert (tmp_path / "kept" / "outbox.db").exists()
    assert line.run(BOTLIVE, "outbox", "status").stdout.startswith("1 of at most")


def test_nobodys_home_is_a_name_like_any_other(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A ``~user`` without such a user is an ordinary name, and the chat goes on."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("BOTLIVE_OUTBOX", "~nobody-has-this-name/outbox.db")
    monkeypatch.setenv("REDIS_URL", "redis://127.0.0.1:1")
    with Publisher.from_env(within=5) as publisher:
        try:
            assert publisher.publish(order("shop"))
        except OutboxFailed:  # a slow disk: it was tried
            pytest.skip("the disk is too slow just now")
    assert (tmp_path / "~nobody-has-this-name" / "outbox.db").exists()


def test_what_is_closed_is_nobodys_connection(line: Line) -> None:
    """With a closed stderr its descriptor is /dev/null, so that no connection can get it."""
    script = """
import os, socket, sys
from operations import streams
streams.harden()
with socket.socket() as one:
    print(one.fileno() > 2, os.readlink("/proc/self/fd/2"))
sys.stdout.flush()
"""
    done = line.run("sh", "-c", '"$@" 2>&-', "sh", sys.executable, "-c", script)
    assert done.stdout == "True /dev/null\n"
