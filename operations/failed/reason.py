"""Why a job failed, from what its worker wrote down: ours a line and its cause, a stock one a traceback."""

import re
from typing import Any, NamedTuple

from gateway import errors
from gateway.letters import plain
from gateway.masking import MASK, PRIVATE, mask_text

_TRACEBACK = "Traceback (most recent call last):"
_FRAME = '  File "'
_CAUSE = "cause: "  # as gateway.errors.EventRefused begins its second line
_NAMED = re.compile(r"(?:\w+\.)*(?P<error>[^\W\d]\w*)(?:: (?P<words>.*))?")
_DUE_TO = re.compile(r"due to (?P<error>\w+)")  # RQ's own words for a job whose worker is gone
_LONGEST = 1_000  # characters
_FRAMES = 100  # lines of a cause
_MOST_PRIVATE = 2_000  # texts of one event: an order has 1,000 items at most


class Reason(NamedTuple):
    """One line for people, without personal data."""

    error: str | None
    """The exception's name, where one is told."""
    words: str

    def __str__(self) -> str:
        return f"{self.error}: {self.words}" if self.error and self.words else self.error or self.words

    @classmethod
    def of(cls, trace: str, payload: Any = None) -> "Reason":
        """The reason that the trace tells.

        What the event of ``payload`` keeps private is taken out of the words of an exception of
        somebody else's: they may quote it. Ours never do.
        """
        line = _telling(trace.splitlines())
        named = _NAMED.fullmatch(line) or _DUE_TO.search(line)
        if named and mask_text(named["error"]) != named["error"]:
            named = None  # a key or a number that stands alone
        error = named["error"] if named else None
        words = (named.groupdict().get("words", line) or "") if named else line
        if error is None or not hasattr(errors, error):
            words = _without_private(payload, words)
        return cls(error, plain(mask_text(words))[:_LONGEST])


GONE = Reason("Gone", "its job is no more in Redis: nothing is left to replay, discard it")
UNKNOWN = Reason(None, "its reason is not kept: replay it to have it told anew")


def cause(trace: str, payload: Any = None) -> list[str]:
    """What stands behind the reason: the lines under ours, the frames alone of a traceback.

    What the event of ``payload`` keeps private is taken out.
    """
    lines = trace.splitlines()
    if _TRACEBACK in lines:
        return [plain(line.strip()) for line in lines if line.startswith(_FRAME)][:_FRAMES]
    told = [line for line in lines if line.strip()]
    return [
        plain(mask_text(_without_private(payload, line.removeprefix(_CAUSE)))) for line in told[1:_FRAMES]
    ]


def _telling(lines: list[str]) -> str:
    if _TRACEBACK in lines:
        last = len(lines) - lines[::-1].index(_TRACEBACK)
        outdented = (line for line in lines[last:] if line.strip() and not line[0].isspace())
        return next(outdented, "")
    return next((line.strip() for line in lines if line.strip()), "")


def _private(payload: Any) -> list[str]:
    """The texts that stand under private names, however deep; of too many the first."""
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


def _without_private(payload: Any, words: str) -> str:
    private = _private(payload)
    if len(private) > _MOST_PRIVATE:
        return "its words are left out: the event has more texts in it than any of Botlive's"
    for text in sorted({text.strip() for text in private} - {""}, key=len, reverse=True):
        words = re.sub(rf"(?<!\w){re.escape(text)}(?!\w)", MASK, words)
    return words
