"""The blocks of our guide, docs/integration.md."""

import re
from pathlib import Path

_GUIDE = Path(__file__).parents[2] / "docs" / "integration.md"


def blocks(language: str) -> list[str]:
    """The blocks of that language."""
    return re.findall(rf"```{language}\n(.*?)```", _GUIDE.read_text(encoding="utf-8"), re.DOTALL)


def python(part: str) -> str:
    """The one program that holds this."""
    (found,) = (block for block in blocks("python") if part in block)
    return found
