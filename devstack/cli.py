"""`botlive stack`: starts the local stack, with or without a command in it."""

import os
import shlex
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from queue import SimpleQueue
from types import FrameType
from typing import Annotated

import typer

from devstack.registry import StackRunningError
from devstack.server import ServerError
from devstack.stack import Stack
from operations.completion import by_the_shell
from operations.examples import examples
from operations.exits import ExitCode

_RUN = "botlive stack run -- make probes"

app = typer.Typer(
    help="A local Supabase and Redis, for development and tests.",
    add_completion=False,
    epilog=examples("botlive stack", "botlive stack --state .state", _RUN),
)

State = Annotated[
    Path | None,
    typer.Option(
        "--state",
        metavar="DIR",
        autocompletion=by_the_shell,
        help="Keep the data here between runs (default: a temporary directory).",
    ),
]
Migrations = Annotated[bool, typer.Option("--migrate/--no-migrate", help="Apply our migrations.")]


@app.callback(invoke_without_command=True)
def stack(context: typer.Context, state: State = None, migrate: Migrations = True) -> None:
    """Start the stack, print its environment and stay until Ctrl-C."""
    context.obj = (state, migrate)
    if context.invoked_subcommand is None:
        _stay(state, migrations=migrate)


@app.command(
    context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False},
    epilog=examples(_RUN, "botlive stack run -- sh -c 'botlive worker --burst; botlive status'"),
)
def run(
    context: typer.Context,
    command: Annotated[list[str], typer.Argument(metavar="-- CMD…", help="The command and its arguments.")],
    state: State = None,
    migrate: Migrations = True,
) -> None:
    """Run a command in the stack's environment, stop the stack, and exit with the command's code."""
    outer_state, outer_migrate = context.obj
    _on_signals(_leave)
    with _started(state or outer_state, migrations=migrate and outer_migrate) as started:
        code = _run(command, os.environ | started.environment)
    raise typer.Exit(code)


@contextmanager
def _started(state: Path | None, *, migrations: bool) -> Iterator[Stack]:
    """Start a stack and stop it at the end; print why it did not start."""
    stack = Stack(state, migrations=migrations)
    try:
        stack.start()
    except (StackRunningError, ServerError) as error:
        typer.echo(f"botlive stack: {error}", err=True)
        raise typer.Exit(ExitCode.FAILED) from error
    try:
        yield stack
    finally:
        stack.stop()


def _stay(state: Path | None, *, migrations: bool) -> None:
    signals: SimpleQueue[int] = SimpleQueue()  # `Event.set` can wait for ever in a signal handler
    _on_signals(_leave)
    with _started(state, migrations=migrations) as stack:
        _on_signals(signals.put)
        for name, value in stack.environment.items():
            typer.echo(f"export {name}={shlex.quote(value)}")
        signals.get()


def _on_signals(react: Callable[[int], object]) -> None:
    def handle(number: int, _: FrameType | None) -> None:
        react(number)

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, handle)


def _leave(number: int) -> None:
    """End by an exception, so that the servers that were started are stopped."""
    sys.exit(128 + number)


def _run(command: list[str], environment: dict[str, str]) -> int:
    early: list[int] = []  # signals that came before the child was started
    _on_signals(early.append)
    try:
        child = subprocess.Popen(command, env=environment)  # noqa: S603 - what the user typed
    except OSError as error:
        typer.echo(f"botlive stack run: {error}", err=True)
        return 127 if isinstance(error, FileNotFoundError) else 126
    _on_signals(lambda number: _forward(child, number))
    for number in early:
        _forward(child, number)
    code = child.wait()
    return code if code >= 0 else 128 - code


def _forward(child: subprocess.Popen[bytes], number: int) -> None:
    if not (number == signal.SIGINT and _in_foreground()):
        child.send_signal(number)


def _in_foreground() -> bool:
    """Return whether this is the terminal's foreground group: the child has then got its Ctrl-C already."""
    try:
        return os.tcgetpgrp(sys.stdin.fileno()) == os.getpgrp()
    except (OSError, ValueError):
        return False


if __name__ == "__main__":
    app()
