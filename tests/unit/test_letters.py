"""Foreign texts are safe on a terminal, whatever they contain."""

import io
import json
import logging
from typing import Any

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st
from rich.table import Table

from gateway.errors import UnknownCompany
from gateway.letters import printable, printable_lines
from operations import logs
from operations.output import Screen


@given(st.text())
def test_a_printable_text_is_one_line(text: str) -> None:
    """The text keeps its length, so that columns stay aligned, and its printable characters."""
    shown = printable(text)
    assert shown.isprintable()
    assert len(shown) == len(text)
    assert [letter for letter in text if letter.isprintable()] == [
        after for before, after in zip(text, shown, strict=True) if before.isprintable()
    ]
    assert printable_lines(text).replace("\n", "").replace("\t", "").isprintable()
    assert printable(printable_lines(text)) == shown


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Boutique d'Awa, 2\u00a0000\u202fFCFA", "Boutique d'Awa, 2 000 FCFA"),
        ("a\r\nb\tc", "a??b?c"),
        ("\x1b[2J\x9b2J", "?[2J?2J"),
        ("\u202eabc\u2069\u200f", "?abc??"),
        ("a\u2028b\u2029c\x85d", "a?b?c?d"),
        ("a\ud800b\0", "a?b?"),
        ("[red]é😀[/red] :smile:", "[red]é😀[/red] :smile:"),
    ],
)
def test_what_replaces_unprintable_characters(text: str, shown: str) -> None:
    """Any kind of space becomes a space, and a control code becomes a question mark."""
    assert printable(text) == shown


def test_a_screen_takes_nothing_for_markup(monkeypatch: pytest.MonkeyPatch) -> None:
    """Foreign text is not markup in a table's title, header and cells, or in printed lines."""
    hostile = "[red]r[/] [link=http://e]l[/link] :smile: \x1b[5mx\x9bm\u202e"
    shown = io.StringIO()
    monkeypatch.setattr("sys.stdout", shown)
    screen = Screen()
    table = Table(hostile, title=hostile)
    table.add_row(hostile)
    screen.print(table, hostile, width=300)
    said = shown.getvalue()
    assert said.count("[red]r[/] [link=http://e]l[/link] :smile: ?[5mx") == 4
    assert printable(said.replace("\n", "")) == said.replace("\n", "")


def test_a_logs_line_on_a_terminal_is_a_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Any log entry is one line on a terminal, also from other libraries; JSON keeps the text."""
    hostile = "a\x1b]0;t\x07\x9b1mb\r\nc\u202ed"
    for is_terminal in (True, False):
        monkeypatch.setattr("sys.stderr.isatty", lambda is_terminal=is_terminal: is_terminal)
        logs.configure()
        log: Any = structlog.stdlib.get_logger(hostile)
        log.info(hostile, **{hostile: hostile, "list": [hostile], "map": {hostile: hostile}})
        logging.getLogger("rq").warning("%s", hostile)
        said = capsys.readouterr().err
        assert len(said.splitlines()) == 2
        assert not {"\x1b]", "\x07", "\x9b", "\r", "\u202e"} & {
            said[i : i + n] for i in range(len(said)) for n in (1, 2)
        }
    assert [json.loads(line)["event"] for line in said.splitlines()] == [hostile, hostile]


def test_a_reason_names_a_shop_that_can_be_copied_and_hides_a_number() -> None:
    """The shop's id is quoted for a shell, follows ``--``, and is hidden if it is a phone number."""
    assert "add -- 4OS4yFcf`" in str(UnknownCompany("4OS4yFcf"))
    assert r"add -- $'a b\u001b'`" in str(UnknownCompany("a b\x1b"))
    assert "add -- '--help me'`" in str(UnknownCompany("--help me"))
    hidden = str(UnknownCompany("+225 07 00 00 00 00"))
    assert "00 00" not in hidden
    assert hidden.startswith("company '***' is in no row of company_mapping: ")
    assert "failures edit ID --set company_id=TEXT_ID" in hidden
