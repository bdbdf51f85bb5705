"""Stacks: their state, the servers that a killed stack leaves, and the command `botlive stack`."""

import os
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psutil
import psycopg
import pytest

from devstack import postgres, processes, registry
from devstack.stack import Stack
from devstack.state import StackState
from tests.children import ending

pytestmark = pytest.mark.slow

HOLD = """
import sys, pathlib
from devstack.stack import Stack
stack = Stack(pathlib.Path(sys.argv[1]) if sys.argv[1:] else None, migrations=False)
stack.start()
print(stack.postgres.directory.parent, flush=True)
sys.stdin.read()
"""
CLI = [sys.executable, "-m", "devstack.cli", "run", "--no-migrate"]


@pytest.fixture
def state() -> Iterator[Path]:
    """Return a state directory that every user can enter; those of pytest are closed to other users."""
    directory = Path(tempfile.mkdtemp(prefix="devstack-test-")).resolve()
    yield directory
    processes.kill(processes.serving(directory))
    shutil.rmtree(directory)


def killed(*arguments: str) -> Path:
    """Kill the process of a stack, and return the stack's directory."""
    command = [sys.executable, "-c", HOLD, *arguments]
    with ending(
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    ) as holder:
        assert holder.stdout
        directory = Path(holder.stdout.readline().strip())
        holder.kill()
    assert len(processes.serving(directory)) == 3
    return directory


def test_the_environment_has_exactly_these_names(stack: Stack) -> None:
    """The names that `botlive stack` prints do not change."""
    names = "REDIS_URL SUPABASE_URL SUPABASE_KEY SUPABASE_ANON_KEY SUPABASE_JWT_SECRET DATABASE_URL"
    assert list(stack.environment) == names.split()


def test_a_state_directory_keeps_ports_secrets_and_data(state: Path) -> None:
    """A second run has the same ports, secrets and data on the disk; only the owner can read the secrets."""
    with Stack(state, migrations=False) as first:
        environment = first.environment
        with psycopg.connect(first.postgres.url) as connection:
            connection.execute("create table public.kept (id int)")
            assert connection.execute("show fsync").fetchone() == ("on",)
        assert stat.S_IMODE((state / "stack.json").stat().st_mode) == 0o600
    assert processes.serving(state) == []
    with Stack(state, migrations=False) as second:
        assert second.environment == environment
        with psycopg.connect(second.postgres.url) as connection:
            assert connection.execute("select to_regclass('public.kept')::text").fetchone() == ("kept",)


def test_the_stack_of_these_tests_does_not_wait_for_the_disk(stack: Stack) -> None:
    """Its files are used only once, so it may skip what a crash of the machine would need."""
    with psycopg.connect(stack.postgres.url) as connection:
        assert connection.execute("show fsync").fetchone() == ("off",)


def test_a_taken_port_is_replaced(state: Path) -> None:
    """The stack starts on another port where its old port is in use."""
    remembered = StackState()
    remembered.choose_ports()
    remembered.save(state)
    with StackState.load(state).hold_ports():
        again = StackState.load(state)
        again.choose_ports()
    assert again.ports.postgres != remembered.ports.postgres


def test_a_killed_stacks_orphans_are_ended_by_the_next_start_with_its_state(state: Path) -> None:
    """A start with the same state directory ends the old servers and keeps the data."""
    killed(str(state))
    orphans = processes.serving(state)
    with Stack(state, migrations=False):
        assert processes.wait_gone(orphans, timeout=0) == []
        assert len(processes.serving(state)) == 3


def test_a_killed_temporary_stack_is_cleared_away_by_any_start(state: Path) -> None:
    """The start of any other stack ends the servers of a killed stack and deletes its directory."""
    dead = killed()
    with Stack(state, migrations=False):
        assert processes.serving(dead) == []
        assert not dead.exists()


def test_a_living_stack_is_left_alone(stack: Stack) -> None:
    """A sweep ends no server of a running stack."""
    pids = stack.postgres.pids + stack.valkey.pids + stack.gateway.pids
    registry.sweep()
    assert stack.postgres.pids + stack.valkey.pids + stack.gateway.pids == pids
    assert all(psutil.Process(pid).is_running() for pid in pids)


def test_a_second_stack_on_the_same_state_is_refused(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two stacks would destroy the data directory."""
    monkeypatch.setattr(registry, "_PATIENCE", 0.1)
    with pytest.raises(registry.StackRunningError):
        Stack(stack.postgres.directory.parent, migrations=False).start()
    assert stack.postgres.answers()


def test_the_command_says_why_it_cannot_start(state: Path) -> None:
    """It prints a message without a traceback, and exits with 1."""
    (state / "postgres").mkdir()
    (state / "postgres" / "alien").touch()
    done = run("true", state=state)
    assert (done.returncode, "Traceback" in done.stderr) == (1, False)
    assert done.stderr.startswith("botlive stack: PostgreSQL could not be initialised")
    assert processes.serving(state) == []


def test_another_postgresql_is_used_where_one_is_named(state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An older one, whose initdb knows no built-in locale, gets the system's."""
    embedded, older = postgres.binary("initdb").parent, state / "older"
    older.mkdir()
    (older / "postgres").symlink_to(embedded / "postgres")
    (older / "initdb").write_text(f'#!/bin/sh\n[ "$1" = --help ] || exec {embedded}/initdb "$@"\n')
    (older / "initdb").chmod(0o755)
    monkeypatch.setenv("BOTLIVE_POSTGRES_BIN", str(older))
    with Stack(state / "stack", migrations=False) as started:
        (server,) = started.postgres.pids
        assert psutil.Process(server).cmdline()[0] == str(older / "postgres")
        with psycopg.connect(started.postgres.url) as connection:
            row = connection.execute("select datlocprovider::text, datcollate from pg_database").fetchone()
            assert row == ("c", "C.UTF-8")


def test_a_folder_without_postgresql_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """The error names the variable and has no traceback."""
    monkeypatch.setenv("BOTLIVE_POSTGRES_BIN", "/no-such-folder")
    done = run("true")
    assert (done.returncode, done.stderr) == (
        1,
        "botlive stack: BOTLIVE_POSTGRES_BIN is /no-such-folder, which has no initdb: "
        "name a PostgreSQL's bin folder\n",
    )


def run(*command: str, state: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Run `botlive stack run -- command`."""
    options = [f"--state={state}"] if state else []
    line = [*CLI, *options, "--", *command]
    return subprocess.run(line, capture_output=True, text=True, timeout=60, check=False)


def test_run_passes_environment_and_exit_code_on() -> None:
    """The command has the stack's environment, and its exit code becomes that of `stack run`."""
    script = "import os, sys; print(os.environ['DATABASE_URL']); sys.exit(7)"
    done = run(sys.executable, "-c", script)
    assert done.returncode == 7, done.stderr
    assert done.stdout.startswith("postgresql://postgres:")
    port = done.stdout.strip().rpartition(":")[2].partition("/")[0]
    assert not any(f"--port={port}" in (p.info["cmdline"] or []) for p in psutil.process_iter(["cmdline"]))


@pytest.mark.parametrize(
    ("command", "code"),
    [(["true"], 0), (["sh", "-c", "kill -9 $$"], 137), (["no-such-command"], 127)],
)
def test_run_uses_the_shells_exit_codes(command: list[str], code: int) -> None:
    """The code is 128 + n after signal n, and 127 where the command does not exist."""
    assert run(*command).returncode == code


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_run_forwards_signals(number: signal.Signals) -> None:
    """The command gets the signal, and its exit code is passed on."""
    script = f"trap 'exit 9' {number.value}; echo ready; while :; do sleep 0.1; done"
    command = [*CLI, "--", "sh", "-c", script]
    with ending(
        subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
    ) as child:
        assert child.stdout
        assert child.stdout.readline() == "ready\n"
        child.send_signal(number)
        assert child.wait(timeout=30) == 9


def test_the_stack_stays_until_it_is_asked_to_go() -> None:
    """It prints its environment, runs until SIGINT, and leaves no server behind."""
    command = [sys.executable, "-m", "devstack.cli", "--no-migrate"]
    with ending(subprocess.Popen(command, stdout=subprocess.PIPE, text=True)) as child:
        assert child.stdout
        lines = [child.stdout.readline() for _ in range(6)]
        assert all(line.startswith("export ") for line in lines)
        os.kill(child.pid, signal.SIGINT)
        assert child.wait(timeout=30) == 0
        port = lines[-1].rpartition(":")[2].partition("/")[0]
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(f"postgresql://postgres@127.0.0.1:{port}/postgres", connect_timeout=2)
