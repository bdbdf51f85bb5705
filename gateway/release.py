"""Which release this is."""

from functools import cache
from importlib.metadata import PackageNotFoundError, version


@cache
def release() -> str:
    """The version of the distribution, as pip knows it."""
    try:
        return version("botlive-events")
    except PackageNotFoundError:  # its folders were copied, not installed
        return "unknown"
