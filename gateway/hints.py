"""Quotes a text as one word of a shell command, for hints that people copy and paste.

A hint puts ``--`` before such a word, because an id may begin with ``-`` and is not an option.
"""

import shlex


def word(text: str) -> str:
    r"""Quote the text for a shell. The result is printable and on one line.

    A character that is not printable becomes an escape of bash and zsh: ``$'a\\u001bb'``.
    """
    if all(letter.isprintable() for letter in text):
        return shlex.quote(text)
    return f"$'{''.join(map(_escaped, text))}'"


def _escaped(letter: str) -> str:
    if letter in "'\\":
        return f"\\{letter}"
    if letter.isprintable():
        return letter
    code = ord(letter)
    if 0xDC80 <= code <= 0xDCFF:  # noqa: PLR2004 # surrogates for bytes that are not UTF-8
        return f"\\x{code - 0xDC00:02x}"
    return f"\\U{code:08x}" if code > 0xFFFF else f"\\u{code:04x}"  # noqa: PLR2004 # the last code of four digits
