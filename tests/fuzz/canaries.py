"""What is planted in all that is fuzzed, and must come out nowhere."""

import re

PHONE = "+2250759483726"
"""A customer's number."""
PREFIX = "sb_secret_"
SECRET = f"{PREFIX}7QXSECRET"  # in parts: no scanner shall take it for a real one
"""A key of Supabase's."""
PASSWORD = "7QXSECRET-pw"  # noqa: S105 # nobody's
"""A server's."""
VALUE = "Zélie QXVALUE"
"""A value of an event."""

OBEYED = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f]")
"""What a terminal would obey, but for tabs and the ends of lines."""

_NUMBER, _SECRET, _VALUE = "59483726", "7QXSECRET", "QXVALUE"


def seen(text: str, *, values: bool = True) -> str | None:
    """The first of them that stands in the text; without ``values`` what is only an event's value may."""
    digits = re.sub(r"[ .()-]", "", text)
    if _NUMBER in digits:
        return "the phone number"
    if _SECRET in text:
        return "the secret"
    return "a value" if values and _VALUE in text else None


def on_one_line(text: str) -> bool:
    """Whether a terminal shows it on one line and obeys nothing in it."""
    return text.isprintable()
