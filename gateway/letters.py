"""Texts of other people's without what a terminal would obey: control codes, and what turns lines round."""

import unicodedata


def plain(text: str) -> str:
    """The text on one line; what cannot be printed is a ``?``, a blank of any kind a blank."""
    return text if text.isprintable() else "".join(map(_letter, text))


def harmless(text: str) -> str:
    """The same of a text of several lines, which may have tabs."""
    return (
        text
        if text.isprintable()
        else "".join(letter if letter in "\n\t" else _letter(letter) for letter in text)
    )


def _letter(letter: str) -> str:
    if letter.isprintable():
        return letter
    return " " if unicodedata.category(letter) == "Zs" else "?"
