"""Whether `events` is that of Botlive Events: a distribution of the same name may lie over it."""

import logging

_log = logging.getLogger("botlive.dropin")

_CURE = (
    "install botlive-events from its repository again (pip install --force-reinstall --no-deps .), "
    "and no other distribution or folder of that name beside it"
)


def check() -> None:
    """Say what is wrong, and go on where the parts are there: the chat must not fail because of it.

    Raises:
        ImportError: they are not; one line says what happened and the cure.
    """
    import events  # noqa: PLC0415 - whatever that is

    if getattr(events, "__distribution__", None) == "botlive-events":
        return
    try:
        import events.publishing.publisher  # noqa: PLC0415 - the same
    except ImportError:
        raise ImportError(
            f"the module `events` that Python finds is not that of botlive-events: {_CURE}"
        ) from None
    _log.error("a part of the module `events` is not that of botlive-events: %s", _CURE)
