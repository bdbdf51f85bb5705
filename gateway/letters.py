"""Removes control codes and text direction marks from foreign text, because terminals obey them."""

import unicodedata


def printable(text: str) -> str:
    """Return the text on one line. Any kind of space becomes a space, other unprintable characters ``?``."""
    return text if text.isprintable() else "".join(map(_letter, text))


def printable_lines(text: str) -> str:
    """Do the same as ``printable`` but keep line ends and tabs."""
    return (
        text
        if text.isprintable()
        else "".join(letter if letter in "\n\t" else _letter(letter) for letter in text)
    )


def _letter(letter: str) -> str:
    if letter.isprintable():
        return letter
    return " " if unicodedata.category(letter) == "Zs" else "?"
