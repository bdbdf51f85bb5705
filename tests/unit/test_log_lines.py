"""Each warning and error of the log is explained to the people who operate the system."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

_ROOT = Path(__file__).parents[2]
_FOLDERS = ("events", "dropin", "dashboard", "worker", "gateway", "operations")
_LEVELS = {"warning", "error", "exception", "critical"}
_ONLY_VALUES = "%s: %s"
"""The beginning of a line that consists of an error and its cure."""


def _lines() -> Iterator[str]:
    for folder in _FOLDERS:
        for file in sorted((_ROOT / folder).rglob("*.py")):
            for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
                match node:
                    case ast.Call(
                        func=ast.Attribute(attr=level), args=[ast.Constant(value=str(text)), *_]
                    ) if level in _LEVELS and not text.startswith(_ONLY_VALUES):
                        yield text


def _plain(text: str) -> str:
    return re.sub(r"%[sdr]|…|\b(?:FILE|ID|TYPE|FIELD|FUNCTION|N)\b|`", "", text)


@pytest.mark.parametrize("line", sorted({*_lines()}))
def test_every_warning_and_error_is_explained(line: str) -> None:
    """It is in the runbook or in its tables of lines; of a long one, the part that comes first."""
    documented = _plain((_ROOT / "docs/operations.md").read_text(encoding="utf-8"))
    assert _plain(line)[:24].rstrip() in documented
