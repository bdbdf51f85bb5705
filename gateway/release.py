"""The version of Botlive Events."""

from functools import cache
from importlib.metadata import PackageNotFoundError, version


@cache
def release() -> str:
    """Return the version of the installed distribution, or ``unknown``."""
    try:
        return version("botlive-events")
    except PackageNotFoundError:  # the folders were copied, not installed
        return "unknown"
