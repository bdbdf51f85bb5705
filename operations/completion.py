"""Completion by the shell: which words are on the command line that it completes."""

from collections.abc import Mapping


def words(environment: Mapping[str, str]) -> list[str]:
    """Return the words after ``botlive`` on the line that a shell completes; empty if none completes.

    The names are those of typer's scripts: bash gives ``COMP_WORDS``, the other shells the whole line.
    """
    if "_BOTLIVE_COMPLETE" not in environment:
        return []
    line = environment.get("_TYPER_COMPLETE_ARGS") or environment.get("COMP_WORDS", "")
    return line.split()[1:]


def by_the_shell() -> list[str]:
    """Complete nothing, so that the shell completes the names of files.

    Typer itself completes a file by the word that was typed, which stops bash from looking for files.
    """
    return []
