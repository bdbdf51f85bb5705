"""The worker's exceptions: one line each, with what to do."""

import pytest

from events import BotliveError
from worker import errors

_TREE = [
    kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, errors.WorkerError)
]
_PLAIN = [kind for kind in _TREE if kind not in (errors.UnknownCompany, errors.InvalidSetting)]


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
    """These are the event's own fault, for good."""
    assert issubclass(kind, errors.EventRefused)


def test_an_unknown_company_comes_with_its_cure() -> None:
    """The message holds the commands to run, with the shop's id."""
    message = str(errors.UnknownCompany("4OS4yFcf2LZw"))
    assert "botlive company link 4OS4yFcf2LZw" in message
    assert "botlive company add 4OS4yFcf2LZw" in message


def test_a_hostile_company_id_cannot_become_a_command() -> None:
    """The id is quoted for a shell and stays on one line."""
    message = str(errors.UnknownCompany("x; rm -rf ~\nnext"))
    assert "botlive company add 'x; rm -rf ~?next'" in message


def test_a_missing_extra_says_what_to_install() -> None:
    """One line names the command, the extra and how to get it."""
    assert str(errors.MissingExtra("botlive stack", "stack")) == (
        "botlive stack needs the extra [stack] of botlive-events: run `pip install '.[stack]'` "
        "in its repository, as the README says"
    )
