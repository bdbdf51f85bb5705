"""Checks that the module `events` is ours, because another distribution may have overwritten it."""

import logging

_log = logging.getLogger("botlive.dropin")

_CURE = (
    "install botlive-events from its repository again (pip install --force-reinstall --no-deps .), "
    "and remove every other distribution or folder of that name"
)


def check() -> None:
    """Log the problem and continue if the publisher can be imported, so that the chat does not fail.

    Raises:
        ImportError: the publisher cannot be imported. One line says what happened and what to do.
    """
    import events  # noqa: PLC0415 - it may be another distribution

    if getattr(events, "__distribution__", None) == "botlive-events":
        return
    try:
        import events.publishing.publisher  # noqa: PLC0415 - see above
    except ImportError:
        raise ImportError(
            f"the module `events` that Python finds is not that of botlive-events: {_CURE}"
        ) from None
    _log.error("a part of the module `events` is not that of botlive-events: %s", _CURE)
