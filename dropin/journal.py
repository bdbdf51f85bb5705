"""The log of the drop-in. It never contains a value of an event, and of an exception only type and place."""

import logging
from traceback import extract_tb

from events.errors import BotliveError

logger = logging.getLogger("botlive.dropin")


def tell(what: str, error: Exception) -> None:
    """Log one ERROR line with the exception's type and frames. Its message is added only if it is ours."""
    message = f": {error}" if isinstance(error, BotliveError | ImportError) else ""
    frames = (f"{frame.filename}:{frame.lineno} in {frame.name}" for frame in extract_tb(error.__traceback__))
    logger.error("%s: %s%s (%s)", what, type(error).__qualname__, message, " > ".join(frames))
