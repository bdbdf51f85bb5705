"""What the commands say: on stdout, on stderr, in a table. Whatever a text holds, it stays text."""

import sys
from collections.abc import Iterable
from typing import Any

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment

from gateway.letters import harmless, plain
from operations.streams import own


def say(*cells: str) -> None:
    """One line on stdout; several cells are separated by tabs."""
    print("\t".join(map(plain, cells)))


def say_lines(text: str) -> None:
    """Each of its lines."""
    for line in text.split("\n"):
        say(line)


def report(line: str) -> None:
    """One line on stderr, on whatever that is at the moment: a progress bar makes room for it."""
    sys.stderr.write(f"{plain(line)}\n")


class Screen(Console):
    """A rich console that takes no text for markup, and whose control codes are its own alone."""

    def __init__(self, *, stderr: bool = False) -> None:
        file: Any = own(sys.stderr if stderr else sys.stdout)
        super().__init__(file=file, markup=False, emoji=False, highlight=False)

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """As rich's, but that what is shown as text is no more than that."""
        for segment in super().render(renderable, options):
            yield segment if segment.control else segment._replace(text=harmless(segment.text))
