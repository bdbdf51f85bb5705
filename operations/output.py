"""Output of the commands to stdout, stderr and tables. Texts are never markup or control codes."""

import sys
from collections.abc import Iterable
from typing import Any

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment

from gateway.letters import printable, printable_lines
from operations.streams import own


def say(*cells: str) -> None:
    """Print one line on stdout; several cells are separated by tabs."""
    print("\t".join(map(printable, cells)))


def say_lines(text: str) -> None:
    """Print each line of the text on stdout."""
    for line in text.split("\n"):
        say(line)


def report(line: str) -> None:
    """Print one line on the current ``sys.stderr``, which a progress bar may have replaced."""
    sys.stderr.write(f"{printable(line)}\n")


class Screen(Console):
    """A rich console without markup. Only rich's own control codes reach the terminal."""

    def __init__(self, *, stderr: bool = False) -> None:
        file: Any = own(sys.stderr if stderr else sys.stdout)
        super().__init__(file=file, markup=False, emoji=False, highlight=False)

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """Render as rich does, but remove control codes from the texts."""
        for segment in super().render(renderable, options):
            yield segment if segment.control else segment._replace(text=printable_lines(segment.text))
