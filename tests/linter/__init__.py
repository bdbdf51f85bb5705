"""The rules of Supabase's security and performance advisor, in SQL of our own, each with a planted fault.

Left out are rules that look at statistics of a server that runs (unused indexes, bloat, versions of extensions)
and at its storage buckets.
"""

from typing import NamedTuple

from tests.linter.access import ACCESS
from tests.linter.shape import SHAPE

__all__ = ["RULES", "Rule"]


class Rule(NamedTuple):
    """A rule that the database must not break."""

    number: str
    """In Supabase's list."""
    query: str
    """One column: the names of what breaks the rule."""
    fault: str
    """SQL that plants such a thing."""
    found: str
    """Its name."""


RULES = {name: Rule(*rule) for name, rule in {**ACCESS, **SHAPE}.items()}
