"""Texts made to fit their contract, and the names of those that had to be changed. Pure."""

from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any

from events.privacy import cuttable_fields

_LONGEST = cuttable_fields()
_MOST_LINES = 1_001  # one more than an order may have: a generator need not end


def fit(fields: Mapping[str, Any]) -> dict[str, Any]:
    """The fields with their texts stripped and cut, and in ``amended`` the names of those changed.

    What is no text stays as it is, for the contract to judge.
    """
    given = {name: _unrolled(value) for name, value in fields.items()}
    fitted = {name: _fitted(name, value) for name, value in given.items()}
    amended = [*_changed(given, fitted)]
    return fitted | ({"amended": amended} if amended else {})


def _unrolled(value: Any) -> Any:
    """A generator can be read once, and both the contract and the failed registry want to see it."""
    return [*islice(value, _MOST_LINES)] if isinstance(value, Iterator) else value


def _fitted(name: str, value: Any) -> Any:
    match value:
        case str():
            return _clean(value)[: _LONGEST.get(name)]
        case list() | tuple() if name == "items":
            return [_line(line) for line in value]
    return value


def _line(line: Any) -> Any:
    """One line of an order."""
    return {key: _fitted(key, value) for key, value in line.items()} if isinstance(line, Mapping) else line


def _clean(text: str) -> str:
    # Through UTF-16 the two halves of a character that came apart are one again; a lone half goes.
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "ignore").replace("\0", "")


def _changed(given: Mapping[str, Any], fitted: Mapping[str, Any], path: str = "") -> Iterator[str]:
    for name, value in given.items():
        if isinstance(value, str) and fitted[name] != value:
            yield f"{path}{name}"
        elif name == "items" and isinstance(value, list | tuple):
            for number, pair in enumerate(zip(value, fitted[name], strict=True)):
                if isinstance(pair[0], Mapping):
                    yield from _changed(*pair, f"{path}{name}.{number}.")
