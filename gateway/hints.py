"""Text of people's as one word of a shell's command, for hints that are copied and pasted.

A hint puts ``--`` before such a word where it stands alone: an id may begin with ``-`` and is no option.
"""

import shlex


def word(text: str) -> str:
    r"""The word that a shell reads as the text. It is printable and on one line.

    What is not printable is written by its number, as bash and zsh read it: ``$'a\\u001bb'``.
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
    if 0xDC80 <= code <= 0xDCFF:  # noqa: PLR2004 # how Python holds a byte that is no UTF-8
        return f"\\x{code - 0xDC00:02x}"
    return f"\\U{code:08x}" if code > 0xFFFF else f"\\u{code:04x}"  # noqa: PLR2004 # the last of four digits
