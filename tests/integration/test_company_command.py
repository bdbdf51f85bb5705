"""`botlive company` in practice: existing companies are reported, and no shop changes its owner unasked."""

import shlex
from uuid import uuid4

import psycopg
import pytest

from operations.cli import main
from tests.integration.line import Line


@pytest.fixture
def company(line: Line, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> "Company":
    """Return the command, and two users who have signed up."""
    for name, value in line.environment.items():
        monkeypatch.setenv(name, value)
    return Company(line, capsys)


class Company:
    """Runs `botlive company`."""

    def __init__(self, line: Line, capsys: pytest.CaptureFixture[str]) -> None:
        self.line, self.capsys = line, capsys
        self.awa, self.fatou = (str(uuid4()) for _ in range(2))
        for user in (self.awa, self.fatou):
            line.database.execute("insert into auth.users (id) values (%s)", [user])

    def __call__(self, *arguments: str, code: int = 0) -> str:
        """Run the command and return its one line of output."""
        with pytest.raises(SystemExit) as ended:
            main(["company", *arguments])
        said = self.capsys.readouterr()
        assert ended.value.code == code, said.err
        return (said.err if code else said.out).strip()

    def owner(self, text_id: str) -> str:
        """Return the owner of the shop."""
        row = self.line.database.execute(
            "select user_id from public.company_mapping where company_id = %s", [text_id]
        ).fetchone()
        assert row
        return str(row["user_id"])


def test_adding_what_is_there_says_so_and_takes_it_from_nobody(company: Company) -> None:
    """`add` keeps an existing owner, and prints a hint that works when it is pasted."""
    shop = f"--it's $(id) {uuid4()}"
    assert company("add", "--owner", company.awa, "--", shop).startswith("added ")
    assert company("add", "--", shop).startswith("already exists: ")
    refused = company("add", "--owner", company.fatou, "--", shop, code=1)
    assert f"belongs to the user {company.awa}" in refused
    assert company.owner(shop) == company.awa
    pasted = refused.partition("`botlive company ")[2].rpartition("`")[0]
    assert company(*shlex.split(pasted)).endswith(f"owner={company.fatou}; its owner was {company.awa}")
    assert company.owner(shop) == company.fatou


def test_linking_names_what_was_before_and_takes_nothing_unasked(company: Company) -> None:
    """`link` keeps the owner without --force, and names the former company and owner."""
    shop, uuid = f"shop-{uuid4()}", str(uuid4())
    company.line.database.execute("insert into public.companies (id) values (%s)", [uuid])
    former = company("add", shop).split()[2]
    assert company("link", "--owner", company.awa, "--", shop).endswith("; its owner was nobody")
    refused = company("link", "--owner", company.fatou, "--", shop, uuid, code=1)
    assert f"belongs to the user {company.awa}" in refused
    assert f"`botlive company link --force --owner {company.fatou} -- {shop}`" in refused
    assert company("link", "--", shop, uuid).endswith(f"; it was mapped to {former}")
    said = company("link", "--force", "--owner", company.fatou, "--", shop)
    assert said.endswith(f"; its owner was {company.awa}")


@pytest.mark.parametrize("verb", ["add", "link"])
def test_force_is_for_one_call(company: Company, verb: str) -> None:
    """In one transaction, force holds for one call and not for the next one."""
    shop, database = f"shop-{uuid4()}", company.line.database
    company("add", "--owner", company.awa, "--", shop)
    with database.transaction(force_rollback=True):
        call = f"select public.botlive_company_{verb}_by_force(%s, owner => %s)"
        database.execute(call.encode(), [shop, company.fatou])
        call = f"select public.botlive_company_{verb}(%s, owner => %s)"
        with pytest.raises(psycopg.Error, match=f"belongs to the user {company.fatou}: nothing was changed"):
            database.execute(call.encode(), [shop, company.awa])


@pytest.mark.parametrize("word", ["-x", "it's", "a b", "$(id)", "a\\b", "a\nb", "\x1b[2J", "é`", "", "plain"])
def test_the_database_quotes_as_a_shell_reads(word: str, line: Line) -> None:
    """The database's hints quote ids for a shell, on one line."""
    row = line.database.execute("select botlive.shell_word(%s) as word", [word]).fetchone()
    assert row
    assert row["word"].isprintable()
    printed = line.run("bash", "-c", f"printf '%s\\0' {row['word']}").stdout
    assert printed == f"{word}\0"
