"""The version of Botlive Events, and texts that people copy into a shell."""

from importlib.metadata import PackageNotFoundError
from unittest.mock import Mock

import pytest

from gateway import release
from gateway.hints import word


def test_a_copy_that_was_not_installed_has_an_unknown_version(monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody copied the folders: the worker runs all the same."""
    monkeypatch.setattr(release, "version", Mock(side_effect=PackageNotFoundError))
    assert release.release.__wrapped__() == "unknown"


@pytest.mark.parametrize(
    ("text", "quoted"),
    [
        ("shop", "shop"),
        ("a b", "'a b'"),
        ("a'\\\n", r"$'a\'\\\u000a'"),
        ("\U000e0001", r"$'\U000e0001'"),
        (b"caf\xe9".decode(errors="surrogateescape"), r"$'caf\xe9'"),
    ],
)
def test_a_hint_quotes_an_id_for_the_shell(text: str, quoted: str) -> None:
    """The command that people paste names the same id, also if it has bytes that are no UTF-8."""
    assert word(text) == quoted
