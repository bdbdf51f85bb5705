"""A policy of a project's own, and what must be said of it."""

from dataclasses import dataclass
from typing import Literal

Verdict = Literal["replaced", "named", "silent"]
"""``replaced``: open to everyone; ``named``: open for others than the owner; ``silent``: neither."""

CHANCE = -1
"""Where nobody can say how many rows there will be."""


@dataclass(frozen=True)
class Shape:
    """One policy on `orders`, of a project that has what ``shapes.sql`` makes."""

    name: str
    using: str
    verdict: Verdict
    role: str = "authenticated"
    command: str = "select"
    words: str = ""
    """What the line that names it holds."""
    before: str = ""
    """What the project has besides."""
    others: int | None = None
    """How many of the other shop's orders its owner reaches afterwards; by default none, or one if named."""
    owner: int = 1
    """How many of the own orders asked for an owner reaches: none where the policy breaks each request."""
    empty: Verdict | None = None
    """What is said while there is no order yet, where that differs."""

    def __str__(self) -> str:
        return self.name

    @property
    def sql(self) -> str:
        """Return the statement that creates the policy. An insert has only a check."""
        clause = self.using if self.using.startswith(("using", "with")) else f"using ({self.using})"
        if self.command == "insert" and not self.using.startswith("with"):
            clause = f"with check ({self.using})"
        return f'{self.before}; create policy "shape" on public.orders for {self.command} to {self.role} {clause}'
