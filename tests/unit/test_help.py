"""The help of every command: it has examples that work, and it fits a terminal of 80 columns."""

import shlex
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command
from typer.testing import CliRunner

from operations import cli

_FILES = ("day.ndjson", "user-id.txt")
_MARK = "Examples:"


def _commands(command: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    yield path
    for name, below in getattr(command, "commands", {}).items():
        yield from _commands(below, (*path, name))


@cache
def _root(name: str) -> Any:
    """The real tree of commands, with the command of this name loaded."""
    return get_command(cli.application(name))


def _paths() -> list[tuple[str, ...]]:
    return [(), *(path for name in cli.COMMANDS for path in _commands(_root(name).commands[name], (name,)))]


@pytest.fixture(params=_paths(), ids=lambda path: " ".join(("botlive", *path)))
def path(request: pytest.FixtureRequest) -> tuple[str, ...]:
    """A command: the words after `botlive`."""
    return tuple(request.param)


def _help(path: tuple[str, ...], **environment: str) -> str:
    run = CliRunner(env={"TERMINAL_WIDTH": "80", "COLUMNS": "80", **environment})
    shown = run.invoke(cli.application(path[0] if path else ""), [*path, "--help"], prog_name="botlive")
    assert shown.exit_code == 0
    return shown.output


def _examples(path: tuple[str, ...]) -> list[str]:
    """Return the examples of a command; a line that ends with a backslash goes on."""
    _, _, after = _help(path).partition(f"\n  {_MARK}\n")
    lines = after.partition("\n\n")[0].replace("\\\n", " ").splitlines()
    return [line.strip() for line in lines if line.strip()]


def test_every_command_has_examples(path: tuple[str, ...]) -> None:
    """The help of each command and subcommand ends with one to three examples."""
    assert 1 <= len(_examples(path)) <= 3, f"botlive {' '.join(path)} --help has no examples"


def test_every_example_is_a_valid_call_of_its_command(
    path: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The parser accepts each example as it is shown; no command is run."""
    monkeypatch.chdir(tmp_path)
    for name in _FILES:
        Path(name).touch()
    for example in _examples(path):
        words = _call(example)
        assert words[: len(path)] == [*path], example
        _parse(_root(words[0]), words)


def _call(example: str) -> list[str]:
    """Return the words after `botlive`, without settings before it, redirections and further commands."""
    words = shlex.split(example)
    words = words[words.index("botlive") + 1 :]
    return words[: next((at for at, word in enumerate(words) if word in {"|", "<", ">"}), len(words))]


def _parse(command: Any, words: list[str], parent: Any = None) -> None:
    with command.make_context("botlive", words, parent=parent) as context:
        words = [*getattr(context, "_protected_args", ()), *context.args]
        if hasattr(command, "commands") and words:
            _, below, words = command.resolve_command(context, words)
            _parse(below, words, context)


def test_the_help_fits_80_columns_of_any_terminal(path: tuple[str, ...]) -> None:
    """No line of a help is longer, no colour is in it, and the examples can be typed on any keyboard."""
    shown = _help(path)
    assert max(map(len, shown.splitlines())) <= 80
    assert "\x1b" not in shown
    assert all(example.isascii() for example in _examples(path))
