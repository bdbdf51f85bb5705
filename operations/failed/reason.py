"""Extracts why a job failed from the text that its worker has stored.

Our worker stores one line and its cause; a stock RQ worker stores a traceback.
"""

import re
from typing import Any, NamedTuple

from gateway import errors
from gateway.letters import printable
from gateway.masking import MASK, PRIVATE, mask_text

_TRACEBACK = "Traceback (most recent call last):"
_FRAME = '  File "'
_CAUSE = "cause: "  # the start of the second line of gateway.errors.EventRefused.report
_NAMED = re.compile(r"(?:\w+\.)*(?P<error>[^\W\d]\w{0,99})(?:: (?P<words>.*))?")
_DUE_TO = re.compile(r"due to (?P<error>\w{1,100})\b")  # RQ's message for a job whose worker died
_LONGEST = 1_000  # characters
_FRAMES = 100  # lines of a cause
_MOST_PRIVATE = 2_000  # private texts in one event, at most: an order has at most 1,000 items


class Reason(NamedTuple):
    """A reason in one line, without personal data."""

    error: str | None
    """The exception's name, if the text has one."""
    words: str

    @property
    def kind(self) -> str:
        """The name under which failures are counted together."""
        return self.error or "other"

    def __str__(self) -> str:
        return f"{self.error}: {self.words}" if self.error and self.words else self.error or self.words

    @classmethod
    def of(cls, trace: str, payload: Any = None) -> "Reason":
        """Extract the reason from the trace.

        The message of a foreign exception may quote the event, so the private texts of ``payload`` are masked
        in it. Our own messages never quote an event.
        """
        line = _telling(trace.splitlines())
        named = _NAMED.fullmatch(line) or _DUE_TO.search(line)
        if named and mask_text(named["error"]) != named["error"]:
            named = None  # the "name" is a key or a phone number
        error = named["error"] if named else None
        words = (named.groupdict().get("words", line) or "") if named else line
        if error is None or not hasattr(errors, error):
            words = without_private(payload, words)
        return cls(error, printable(mask_text(words))[:_LONGEST])


GONE = Reason("Gone", "its job no longer exists in Redis: nothing is left to replay, discard it")
UNKNOWN = Reason(None, "its reason was not kept: replay it; if it fails again, its reason is recorded")


def cause(trace: str, payload: Any = None) -> list[str]:
    """Return the technical cause: the lines after our reason, or only the frames of a traceback.

    The private texts of ``payload`` are masked.
    """
    lines = trace.splitlines()
    if _TRACEBACK in lines:
        return [printable(line.strip()) for line in lines if line.startswith(_FRAME)][:_FRAMES]
    filled = [line for line in lines if line.strip()]
    return [
        printable(mask_text(without_private(payload, line.removeprefix(_CAUSE))))
        for line in filled[1:_FRAMES]
    ]


def _telling(lines: list[str]) -> str:
    if _TRACEBACK in lines:
        last = len(lines) - lines[::-1].index(_TRACEBACK)
        outdented = (line for line in lines[last:] if line.strip() and not line[0].isspace())
        return next(outdented, "")
    return next((line.strip() for line in lines if line.strip()), "")


def _private(payload: Any) -> list[str]:
    """Return the texts in private fields at any depth, up to a little more than ``_MOST_PRIVATE`` of them."""
    found: list[str] = []
    waiting = [(payload, False)]
    while waiting and len(found) <= _MOST_PRIVATE:
        value, hidden = waiting.pop()
        if isinstance(value, dict):
            waiting += [(element, hidden or str(key).lower() in PRIVATE) for key, element in value.items()]
        elif isinstance(value, list):
            waiting += [(element, hidden) for element in value]
        elif isinstance(value, str) and hidden:
            found.append(value)
    return found


def without_private(payload: Any, words: str) -> str:
    """Mask the private texts of ``payload`` in the words."""
    private = _private(payload)
    if len(private) > _MOST_PRIVATE:
        return "the message is left out, because the event has more private texts than any event of Botlive"
    for text in sorted({text.strip() for text in private} - {""}, key=len, reverse=True):
        words = re.sub(rf"(?<!\w){re.escape(text)}(?!\w)", MASK, words)
    return words
