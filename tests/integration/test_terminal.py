"""Every command on a terminal, with foreign texts that try to control it."""

import json
import os
import pty
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from uuid import UUID

import pytest
from psycopg import sql

from devstack.stack import Stack
from operations import cli
from tests.integration.line import Line
from tests.make import PHONE, order

pytestmark = pytest.mark.slow

# A link, a colour, C1's, a line that runs from right to left, ends of lines, a cell's end, markup, an emoji.
MARKUP = "[red]m[/][link=e]k[/link]:smile:"
HOSTILE = f"\x1b]8;;http://evil\x07l\x1b[45mm\x9b45mm\u202ee\u2028s\u2066\r\nfake\tc\x7f{MARKUP}"
OBEYED = re.compile(
    r"\x1b\]|\x1b\[45|[\x07\x7f\x80-\x9f\u2028-\u202e\u2066-\u2069]|\r(?!\n|\x1b\[)|^fake|\U0001f604",
    re.MULTILINE,
)
RUN = """
import json, sys
from operations import cli
for arguments in json.loads(sys.argv[1]):
    sys.stderr.flush(); print("<<<", flush=True)
    try:
        cli.main(arguments)
    except SystemExit as ended:
        sys.stdout.flush(); sys.stderr.flush(); print(">>>", ended.code, flush=True)
"""


def on_a_terminal(environment: dict[str, str], *commands: list[str]) -> list[str]:
    """Return what each command sends to a terminal; one process runs all of them."""
    master, slave = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-c", RUN, json.dumps(commands)],
        env={**environment, "TERM": "xterm-256color", "COLUMNS": "400"},
        stdin=slave,
        stdout=slave,
        stderr=slave,
    )
    os.close(slave)
    os.write(master, b"n\n" * 5)  # no, to each question
    read: list[bytes] = []
    reader = threading.Thread(target=lambda: read.extend(_parts(master)))
    reader.start()
    try:
        with suppress(subprocess.TimeoutExpired):
            process.wait(90)
    finally:
        process.kill()
        process.wait()
        reader.join()
        os.close(master)
    told = b"".join(read).decode()
    assert process.returncode == 0, told
    return re.findall(r"<<<\r\n(.*?)>>> \d+\r\n", told, re.DOTALL)


def _parts(master: int) -> Iterator[bytes]:
    try:
        while part := os.read(master, 65_536):
            yield part
    except OSError:  # the other end is closed
        return


@pytest.fixture
def line(stack: Stack) -> Iterator[Line]:
    """A queue of this test."""
    made = Line(stack)
    yield made
    made.close()


@pytest.fixture
def policy(line: Line) -> Iterator[None]:
    """Create a policy with a hostile name that is true for everyone; `migrate` names it."""
    name = f"\x1b]8;;e\x07\u202e\r{MARKUP}"
    create, drop = (
        "create policy {} on public.orders using (true)",
        "drop policy if exists {} on public.orders",
    )
    line.database.execute(sql.SQL(create).format(sql.Identifier(name)))
    yield
    line.database.execute(sql.SQL(drop).format(sql.Identifier(name)))
    line.database.execute("delete from botlive.replaced_policies where name = %s", [name])


@pytest.mark.usefixtures("policy")
def test_every_command_says_texts_as_texts(line: Line, tmp_path: Path) -> None:
    """Hostile names of shops, events, files and arguments are shown without control codes or markup."""
    line.publisher.publish(order(HOSTILE))
    line.publisher.publish(order(PHONE))
    line.publisher.publish_unchecked(HOSTILE, {"company_id": HOSTILE, HOSTILE: HOSTILE})
    file = tmp_path / "events.ndjson"
    file.write_text(
        f"{json.dumps({'type': 'live_toggled', HOSTILE: 1})}\n{order(HOSTILE).model_dump_json()}\n"
    )
    folder = tmp_path / HOSTILE.replace("/", "|").strip("\0")
    environment = {**line.environment, "BOTLIVE_OUTBOX": str(folder / "outbox"), "LOG_DIR": str(tmp_path)}
    (worked,) = on_a_terminal(environment, ["worker", "--burst"])
    failed = line.failed()
    ids = [*map(str, failed)]
    assert len(ids) == 3
    planted = HOSTILE.encode()
    line.redis.zadd(f"rq:failed:{line.name}", {planted: 1})
    commands = [
        ["company", "add", HOSTILE, "--name", HOSTILE],
        ["company", "add", "--name", HOSTILE, "--", f"-{HOSTILE}"],
        ["company", "add", PHONE, "--name", f"Awa {PHONE}"],
        ["company", "link", HOSTILE, str(UUID(int=0))],
        ["company", "link", HOSTILE, HOSTILE],
        ["company", "list"],
        ["alerts", HOSTILE],
        ["doctor", HOSTILE],
        ["erase", HOSTILE],
        ["erase", "--yes", f"{PHONE}{HOSTILE}", HOSTILE],
        ["erase", "--yes", "+2250799999999"],
        ["failures"],
        ["failures", "--json"],
        ["failures", "--reason", HOSTILE, "--company", HOSTILE],
        *(["failures", "show", job_id, *more] for job_id in (*ids, HOSTILE) for more in ([], ["--payload"])),
        ["failures", "show", f"x{HOSTILE}"],
        ["failures", "edit", ids[0], "--set", f"{HOSTILE}=1"],
        ["failures", "edit", f"x{HOSTILE}", "--set", "amount=1"],
        ["failures", "edit", ids[0], "--set", HOSTILE],
        ["failures", "replay", f"x{HOSTILE}", HOSTILE],
        ["failures", "discard", HOSTILE, f"x{HOSTILE}", "--why", HOSTILE],
        ["failures", "discard", "--why", f"{HOSTILE} {PHONE}", *ids],
        ["failures", "discarded"],
        ["failures", "discarded", "--json"],
        ["outbox", "status"],
        ["outbox", HOSTILE],
        ["prune", HOSTILE],
        ["prune", "--older-than", HOSTILE],
        ["publish", str(folder)],
        ["publish", str(file)],
        ["publish", f"--{HOSTILE}"],
        ["reconcile", str(folder)],
        ["reconcile", str(file)],
        ["migrate"],
        ["migrate", HOSTILE],
        ["stack", "--state", HOSTILE, HOSTILE],
        ["stack", HOSTILE],
        ["dashboard", "--bind", HOSTILE],
        ["dashboard", "--port", HOSTILE],
        ["worker", HOSTILE],
        ["status"],
        ["status", "--json"],
        ["status", HOSTILE],
        [HOSTILE],
        [f"--{HOSTILE}"],
    ]
    assert {command[0] for command in commands} >= cli.COMMANDS.keys(), "a new command has its lines here"
    told = dict(zip(map(tuple, commands), on_a_terminal(environment, *commands), strict=True))
    told["worker", "--burst"] = worked
    for command, said in told.items():
        found = OBEYED.search(said)
        assert not found, f"{command}: {found[0]!r} in {said!r}"
        if "--payload" not in command:
            assert "0700000000" not in said, f"{command}: {said!r}"
        assert "Traceback" not in said, f"{command}: {said!r}"
    for command in (
        ("company", "list"),
        ("failures",),
        ("failures", "discarded"),
        ("worker", "--burst"),
        ("migrate",),
    ):
        assert MARKUP in told[command], f"{command}: {told[command]!r}"
    assert "***" in told["failures",]
    assert "***" in told["company", "list"]
    logged = [json.loads(text) for text in (tmp_path / "worker.json").read_text().splitlines()]
    assert HOSTILE in [entry.get("why") for entry in logged], "a file keeps the text, escaped"


def test_a_wrong_call_is_no_way_past_it(line: Line) -> None:
    """The same holds for a wrong call in an ASCII locale, where typer would use the stream's buffer."""
    plain = {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"}
    for said in on_a_terminal({**line.environment, **plain}, [HOSTILE], ["company", f"--{HOSTILE}"]):
        assert "fake" in said
        assert not OBEYED.search(said), repr(said)
