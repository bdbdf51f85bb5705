"""Secrets and personal data that every case contains and that no output may contain."""

import re

PHONE = "+2250759483726"
"""The phone number of a customer."""
PREFIX = "sb_secret_"
SECRET = f"{PREFIX}7QXSECRET"  # in parts, so that secret scanners ignore it
"""A key of Supabase."""
PASSWORD = "7QXSECRET-pw"  # noqa: S105 # not a real one
"""The password of a server."""
VALUE = "Zélie QXVALUE"
"""A value of an event."""

OBEYED = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f]")
"""Control codes that a terminal obeys, except tabs and line ends."""

_NUMBER, _SECRET, _VALUE = "59483726", "7QXSECRET", "QXVALUE"


def seen(text: str, *, values: bool = True) -> str | None:
    """Return the kind of canary in the text, or None. Without ``values``, event values are allowed."""
    digits = re.sub(r"[ .()-]", "", text)
    if _NUMBER in digits:
        return "the phone number"
    if _SECRET in text:
        return "the secret"
    return "a value" if values and _VALUE in text else None


def on_one_line(text: str) -> bool:
    """Return whether the text is one line without control codes."""
    return text.isprintable()
