"""What the drop-in logs: never a value of an event, and of an exception its type and place alone."""

import logging
from traceback import extract_tb

from events.errors import BotliveError

logger = logging.getLogger("botlive.dropin")


def tell(what: str, error: Exception) -> None:
    """One ERROR line with the exception's type and frames; its words only where they hold no value."""
    words = f": {error}" if isinstance(error, BotliveError | ImportError) else ""
    frames = (f"{frame.filename}:{frame.lineno} in {frame.name}" for frame in extract_tb(error.__traceback__))
    logger.error("%s: %s%s (%s)", what, type(error).__qualname__, words, " > ".join(frames))
