"""Reads environment variables, whose values people copy and paste or keep in a file."""

import os
import re

_INVISIBLE = "\u00ad\u200b\u200c\u200d\u200e\u200f\u2028\u2029\u202a\u202c\u2060\ufeff"
_QUOTES = "'\"`´‘’‚“”„«»‹›"  # noqa: RUF001 # the quotes of word processors and chats
_WRAPPING = re.compile(rf"^[\s{_INVISIBLE}{_QUOTES}]+|[\s{_INVISIBLE}{_QUOTES}]+$")


def unwrapped(text: str) -> str:
    """Remove spaces, line ends, quotes and invisible characters around a copied text.

    A file with Windows line ends adds a carriage return to each value, and `docker run --env-file` keeps
    quotes. Without this, a worker would wait for events on a queue that nobody else uses.
    """
    return _WRAPPING.sub("", text)


def variable(name: str) -> str | None:
    """Return the cleaned value of a variable, or None if it is not set or blank."""
    return unwrapped(os.environ.get(name, "")) or None
