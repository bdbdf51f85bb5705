"""Changes texts so that they fit their contract, and lists the changed fields. It does no I/O."""

from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any

from events.privacy import cuttable_fields

_LONGEST = cuttable_fields()
_MOST_LINES = 1_001  # one more than an order may have, because a generator may be endless


def fit(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields with cleaned and cut texts. ``amended`` lists the names of the changed fields.

    Other values stay as they are; the contract checks them.
    """
    given = {name: _unrolled(value) for name, value in fields.items()}
    fitted = {name: _fitted(name, value) for name, value in given.items()}
    amended = [*_changed(given, fitted)]
    return fitted | ({"amended": amended} if amended else {})


def _unrolled(value: Any) -> Any:
    """Read an iterator into a list, because the contract and the failed registry both need its elements."""
    return [*islice(value, _MOST_LINES)] if isinstance(value, Iterator) else value


def _fitted(name: str, value: Any) -> Any:
    match value:
        case str():
            return _clean(value)[: _LONGEST.get(name)]
        case list() | tuple() if name == "items":
            return [_line(line) for line in value]
    return value


def _line(line: Any) -> Any:
    return {key: _fitted(key, value) for key, value in line.items()} if isinstance(line, Mapping) else line


def _clean(text: str) -> str:
    # Encoding to UTF-16 joins the two surrogates of a character, and drops a lone surrogate.
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "ignore").replace("\0", "")


def _changed(given: Mapping[str, Any], fitted: Mapping[str, Any], path: str = "") -> Iterator[str]:
    for name, value in given.items():
        if isinstance(value, str) and fitted[name] != value:
            yield f"{path}{name}"
        elif name == "items" and isinstance(value, list | tuple):
            for number, pair in enumerate(zip(value, fitted[name], strict=True)):
                if isinstance(pair[0], Mapping):
                    yield from _changed(*pair, f"{path}{name}.{number}.")
