"""The rules for each file under ``sql/``."""

import re
from collections import Counter
from pathlib import Path

import pytest

SQL = Path(__file__).parents[2] / "sql"
FUNCTION_FILES = sorted(SQL.glob("functions/*.sql"))
FUNCTION = re.compile(r"^create or replace function ([a-z_.0-9]+)\((.*?)^as \$\$\n(.*?)^\$\$;", re.S | re.M)


def functions(path: Path) -> list[tuple[str, str, str]]:
    """The name, the head and the body of each function of the file."""
    return FUNCTION.findall(path.read_text(encoding="utf-8"))


def names() -> Counter[str]:
    """Every function, by how often it is defined."""
    return Counter(name for path in FUNCTION_FILES for name, _head, _body in functions(path))


def test_each_function_is_defined_once() -> None:
    """Whoever edits a function edits one file; no other file makes it again."""
    made = re.findall(r"create (?:or replace )?function", "".join(p.read_text() for p in SQL.glob("*/*.sql")))
    assert names().total() == len(made)
    assert [name for name, times in names().items() if times > 1] == []


def test_a_table_file_makes_no_function() -> None:
    """Functions change with the releases, and a table file never does."""
    assert [path.name for path in SQL.glob("tables/*.sql") if "create function" in path.read_text()] == []
    assert [path.name for path in SQL.glob("tables/*.sql") if " replace function" in path.read_text()] == []


@pytest.mark.parametrize("path", FUNCTION_FILES, ids=lambda path: path.stem)
def test_a_function_states_its_settings(path: Path) -> None:
    """The temporary schema comes last, and a backslash is literal, whatever the project has set."""
    for name, head, body in functions(path):
        assert "\nset search_path = pg_catalog, pg_temp\n" in head, name
        assert ("\nset standard_conforming_strings = on\n" in head) is ("\\" in body), name
    text = path.read_text(encoding="utf-8")
    starts = text.partition("create or replace")[0]
    assert ("\nset standard_conforming_strings = on;" in starts) is ("\\" in text)


@pytest.mark.parametrize("path", FUNCTION_FILES, ids=lambda path: path.stem)
def test_a_function_is_revoked_from_everyone_in_its_own_file(path: Path) -> None:
    """PostgreSQL grants a new function to public."""
    revoked = re.findall(
        r"^revoke all on function (.*?) from public", path.read_text(encoding="utf-8"), re.S | re.M
    )
    listed = [name.strip() for group in revoked for name in group.split(",")]
    assert sorted(listed) == sorted(name for name, _head, _body in functions(path))


def test_a_file_of_functions_can_be_read_at_once() -> None:
    """None has many more than 250 lines."""
    lines = {path.name: path.read_text(encoding="utf-8").count("\n") for path in FUNCTION_FILES}
    assert {name: n for name, n in lines.items() if n > 260} == {}
