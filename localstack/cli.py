"""`botlive stack`: the local stack for a person, a command or another terminal."""

import os
import shlex
import signal
import subprocess
import sys
import threading
from pathlib import Path
from types import FrameType
from typing import Annotated

import typer

from localstack.stack import Stack

app = typer.Typer(help="A local Supabase and Redis, for development and tests.", add_completion=False)

State = Annotated[
    Path | None,
    typer.Option(
        "--state",
        metavar="DIR",
        help="Keep the data here between runs (default: a temporary directory).",
    ),
]
Migrations = Annotated[bool, typer.Option("--migrate/--no-migrate", help="Apply our migrations.")]


@app.callback(invoke_without_command=True)
def stack(context: typer.Context, state: State = None, migrate: Migrations = True) -> None:
    """Start the stack, print its environment and stay until Ctrl-C."""
    context.obj = (state, migrate)
    if context.invoked_subcommand is None:
        _stay(Stack(state, migrations=migrate))


@app.command(context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False})
def run(
    context: typer.Context,
    command: Annotated[list[str], typer.Argument(metavar="-- CMD…", help="The command and its arguments.")],
    state: State = None,
    migrate: Migrations = True,
) -> None:
    """Run a command inside the stack's environment, then stop the stack and pass its exit code on."""
    outer_state, outer_migrate = context.obj
    _end_on_signals()
    with Stack(state or outer_state, migrations=migrate and outer_migrate) as started:
        code = _run(command, os.environ | started.environment)
    raise typer.Exit(code)


def _stay(stack: Stack) -> None:
    over = threading.Event()
    _end_on_signals()
    with stack:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, lambda *_: over.set())
        for name, value in stack.environment.items():
            print(f"export {name}={shlex.quote(value)}", flush=True)
        over.wait()


def _end_on_signals() -> None:
    """Leave by an exception, so that what has been started is stopped on the way."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _leave)


def _leave(number: int, frame: FrameType | None) -> None:
    sys.exit(128 + number)


def _run(command: list[str], environment: dict[str, str]) -> int:
    try:
        child = subprocess.Popen(command, env=environment)
    except OSError as error:
        print(f"botlive stack run: {error}", file=sys.stderr)
        return 127 if isinstance(error, FileNotFoundError) else 126
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda received, _: _forward(child, received))
    code = child.wait()
    return code if code >= 0 else 128 - code


def _forward(child: subprocess.Popen[bytes], number: int) -> None:
    if not (number == signal.SIGINT and _in_foreground()):
        child.send_signal(number)


def _in_foreground() -> bool:
    """Whether we are the terminal's foreground group: its Ctrl-C then reached the child already."""
    try:
        return os.tcgetpgrp(sys.stdin.fileno()) == os.getpgrp()
    except (OSError, ValueError):
        return False


if __name__ == "__main__":
    app()
