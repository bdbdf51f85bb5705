"""Mutates valid documents: their values, their text and their bytes."""

import json
import re
from collections.abc import Callable
from typing import Any

from tests.fuzz.canaries import PREFIX, SECRET
from tests.fuzz.dice import DEEP, LONG, Dice

_PIECES = (b"\0", b"\xff", b"\n", b"\r", b'"', b"\\", b"{", b"]", b"\xed\xa0\x80", b"\x1b[2J")
_ENCODINGS = ("utf-16", "utf-16-le", "utf-32", "latin-1", "utf-7", "utf-8-sig")
_DEPTHS = (30, 150, 500, 3_000, 100_000)
_DIGITS = (400, 4_301, 100_000)

# A key whose beginning was damaged is not a key any more, and nothing can mask it.
_DAMAGED_KEY = re.compile(rf"(?<!{PREFIX}){SECRET.removeprefix(PREFIX)}".encode())


class Steady(Dice):
    """Dice for valid documents: optional mutations never happen."""

    def chance(self, part: float) -> bool:
        """Return False."""
        return False


def mutated(dice: Dice, document: Any, most: int = 3) -> Any:
    """Return the document with one to ``most`` changes."""
    for _ in dice.some(most):
        document = _changed(dice, document)
    return document


def _changed(dice: Dice, place: Any) -> Any:
    if isinstance(place, dict) and place:
        return _in_object(dice, dict(place))
    if isinstance(place, list) and place:
        index = dice.randrange(len(place))
        changed = [*place]
        changed[index : index + 1] = dice.one_of(
            lambda: [_changed(dice, place[index])], lambda: [place[index]] * 2, list, lambda: [dice.value()]
        )
        return changed
    return dice.value()


def _in_object(dice: Dice, changed: dict[str, Any]) -> dict[str, Any]:
    name = dice.choice([*changed])
    match dice.randrange(8):
        case 0:
            del changed[name]
        case 1:
            changed[dice.text()] = changed.pop(name)
        case 2:
            changed[dice.one_of(dice.text, name.upper, lambda: f"{name} ")] = dice.value()
        case 3:
            other = dice.choice([*changed])
            changed[name], changed[other] = changed[other], changed[name]
        case 4:
            changed[name] = dice.choice(([changed[name]], {name: changed[name]}, str(changed[name])))
        case 5 if isinstance(changed[name], dict | list):
            changed[name] = _changed(dice, changed[name])
        case _:
            changed[name] = dice.value()
    return changed


def written(dice: Dice, document: Any) -> bytes:
    """Return the document as JSON in some notation, sometimes not valid."""
    text = json.dumps(document, ensure_ascii=dice.chance(0.5), separators=dice.choice(((",", ":"), None)))
    text = text.replace(f'"{DEEP}"', _nest(dice)).replace(f'"{LONG}"', "9" * dice.choice(_DIGITS))
    if dice.chance(0.1):
        text = dice.choice(_TEXTUAL)(dice, text)
    if dice.chance(0.03):
        return text.encode(dice.choice(_ENCODINGS), "replace")
    return text.encode("utf-8", "surrogatepass")


def _nest(dice: Dice) -> str:
    depth = dice.choice(_DEPTHS)
    opening, closing = dice.choice((("[", "]"), ('{"a":', "}")))
    return f"{opening * depth}1{closing * (depth if dice.chance(0.8) else 0)}"


def _twice(dice: Dice, text: str) -> str:
    """Add a field whose name is already in the object."""
    names = re.findall(r'"(\w+)":', text) or ["type"]
    return text.replace("{", f'{{"{dice.choice(names)}":{json.dumps(dice.scalar())},', 1)


_TEXTUAL: tuple[Callable[[Dice, str], str], ...] = (
    _twice,
    _twice,
    lambda dice, text: f"{text}{dice.choice(('}', ',', text, ' x', chr(0), '//'))}",
    lambda _, text: text.replace('"', "'"),
    lambda _, text: text.replace(",", ",\r\n "),
    lambda _, text: f"\ufeff{text}",
    lambda _, text: text.replace(":", ": /* */ "),
    lambda dice, text: text.replace("\\u", dice.choice(("\\x", "\\u{", "\\U"))),
)


def broken(dice: Dice, data: bytes) -> bytes:
    """Return the bytes with some of them changed."""
    for _ in dice.some(3):
        start = dice.randrange(len(data) + 1)
        end = min(len(data), start + dice.choice((1, 1, 2, 8, 64)))
        rest = b"" if dice.chance(0.15) else _piece(dice, data[start:end]) + data[end:]
        data = data[:start] + rest
    return _DAMAGED_KEY.sub(b"", data)


def _piece(dice: Dice, piece: bytes) -> bytes:
    made: bytes = dice.one_of(
        lambda: b"",
        lambda: bytes(dice.randrange(256) for _ in piece),
        lambda: piece * dice.choice((2, 50)),
        lambda: dice.choice(_PIECES),
    )
    return made


def any_bytes(dice: Dice, document: Any) -> bytes:
    """Return the document as bytes, with mutations of any kind."""
    data = written(dice, mutated(dice, document) if dice.chance(0.8) else document)
    return broken(dice, data) if dice.chance(0.25) else data
