"""Names of columns, and paths into their JSON, as they stand in a query string."""

import re
from dataclasses import dataclass

from devstack.rest.errors import bad_query

NAME = r'"(?:[^"\\]|\\.)*"|[\w$ ]+(?:-(?!>)[\w$ ]+)*'
_STEP = r'->>?(?:"(?:[^"\\]|\\.)*"|-?\d+(?=->|::|\.|,|$)|[^-:.,>()]+(?:-(?!>)[^-:.,>()]+)*)'
FIELD = rf"\s*(?P<name>{NAME})(?P<path>(?:{_STEP})*)"

_ALONE = re.compile(rf"{FIELD}\s*")
_PART = re.compile(r'(?:"(?:[^"\\]|\\.)*"|\([^()]*\)|[^,"(]|["(])+')


@dataclass(frozen=True, slots=True)
class Field:
    """A column, perhaps with a path into its JSON (`metadata->>event`)."""

    name: str
    path: tuple[tuple[str, str], ...] = ()  # (arrow, key) pairs

    @property
    def label(self) -> str:
        """What the answer calls it where no alias is given: the last key that is no index."""
        keys = [key for _, key in self.path if not is_index(key)]
        return keys[-1] if keys else self.name


def field_of(match: re.Match[str]) -> Field:
    """The field in a match of a pattern that holds `FIELD`."""
    steps: list[str] = re.findall(_STEP, match["path"])
    return Field(unquoted(match["name"]), tuple(_step(step) for step in steps))


def parse_field(text: str) -> Field:
    """The field that `text` is."""
    match = _ALONE.fullmatch(text)
    if match is None:
        raise bad_query("tree path", text, 1, "expecting field name (* or [a..z0..9_$])")
    return field_of(match)


def is_field(text: str) -> bool:
    """Whether `text` is a field and nothing else."""
    return _ALONE.fullmatch(text) is not None


def is_index(key: str) -> bool:
    """Whether a key counts the elements of an array."""
    return re.fullmatch(r"-?\d+", key) is not None


def split(text: str) -> list[str]:
    """Split at the commas that stand outside quotes and parentheses."""
    return _PART.findall(text)


def unquoted(name: str) -> str:
    """A name without its quotes, if it has any."""
    name = name.strip()
    return unescaped(name[1:-1]) if name.startswith('"') else name


def unescaped(text: str) -> str:
    """Text without the backslashes that protect its characters."""
    return re.sub(r"\\(.)", r"\1", text, flags=re.DOTALL)


def _step(step: str) -> tuple[str, str]:
    arrow = "->>" if step.startswith("->>") else "->"
    return arrow, unquoted(step.removeprefix(arrow))
