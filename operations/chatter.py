"""Lowers to debug what RQ logs about its own work. It says nothing about an event."""

import logging

_RETRYING = "could not connect to Redis instance"
"""RQ logs this at each try; ``worker.redis_retry`` logs it once, with the cause."""


class LowersChatter(logging.Filter):
    """A filter for handlers that take all lines of a process."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Lower the record's level if it is chatter. Return whether to log it."""
        if _is_chatter(record):
            record.levelno, record.levelname = logging.DEBUG, "DEBUG"
        return logging.getLogger(record.name).isEnabledFor(record.levelno)


def _is_chatter(record: logging.LogRecord) -> bool:
    is_from_rq = record.name == "rq" or record.name.startswith("rq.")
    return is_from_rq and (record.levelno <= logging.INFO or _RETRYING in str(record.msg))
