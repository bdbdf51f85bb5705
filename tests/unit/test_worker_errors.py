"""The worker's exceptions: one line each, with what to do."""

import os
import subprocess

import pytest

from events import BotliveError
from gateway import errors
from operations import errors as commands

_TREE = [
    kind
    for kind in {**vars(errors), **vars(commands)}.values()
    if isinstance(kind, type) and issubclass(kind, errors.WorkerError)
]
_WITH_WORDS = (
    commands.CannotListen,
    commands.FileUnusable,
    errors.InvalidSetting,
    errors.NewerEvent,
    errors.UnknownCompany,
)
_PLAIN = [kind for kind in _TREE if kind not in _WITH_WORDS]


@pytest.mark.parametrize("kind", _PLAIN)
def test_each_says_its_docstring_in_one_line(kind: type[errors.WorkerError]) -> None:
    """Raised without words, an exception has a message of one line."""
    message = str(kind())
    assert message
    assert "\n" not in message


def test_all_have_one_root() -> None:
    """Whoever catches BotliveError catches them all."""
    assert len(_TREE) > 10
    assert all(issubclass(kind, BotliveError) for kind in _TREE)


@pytest.mark.parametrize("kind", [errors.UnknownCompany, errors.UnknownFunction, errors.UndecodableJob])
def test_what_no_retry_mends_is_refused(kind: type[Exception]) -> None:
    """These errors are caused by the event, so it is refused."""
    assert issubclass(kind, errors.EventRefused)


@pytest.mark.parametrize(
    "company_id",
    [
        "4OS4yFcf2LZw",
        "-rf",
        "--help",
        "it's",
        "a b",
        "$(id)",
        "`id`",
        'say "x"',
        "a\\b",
        "x; rm -rf ~\nnext",
        "\x1b[2J",
        "é\u200b\U000e0001",
        "\\'\n",
        "*",
        "#a",
        "~",
        "",
    ],
)
def test_an_unknown_company_comes_with_its_cure(company_id: str) -> None:
    """Its commands are on one line; a shell that they are pasted into hands on the shop's very id."""
    message = str(errors.UnknownCompany(company_id))
    assert message.isprintable()
    for start, end in (("link", " UUID`"), ("add", "`, then")):
        pasted = message.partition(f"`botlive company {start} ")[2].rpartition(end)[0]
        printed = subprocess.run(
            ["bash", "-c", f"printf '%s\\0' {pasted}"],  # noqa: S607 # the shell that people have
            capture_output=True,
            check=True,
            env=os.environ | {"LC_ALL": "C.UTF-8"},
        )
        assert printed.stdout.decode().split("\0")[:-1] == ["--", company_id]


def test_a_missing_extra_says_what_to_install() -> None:
    """One line names the command, the extra and how to get it."""
    assert str(commands.MissingExtra("botlive stack", "stack")) == (
        "botlive stack needs the extra [stack] of botlive-events: run `pip install '.[stack]'` "
        "in its repository"
    )
