"""Nobody gets access to another owner's shop by writing a config."""

from collections.abc import Callable, Iterator
from uuid import UUID

import pytest

from tests.integration.people import ME, NOBODYS, THEIRS, VICTIM, Database, add, change, people

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def project(module_database_url: str) -> Iterator[Database]:
    """The project, for all tests of the module."""
    with people(module_database_url) as database:
        yield database


@pytest.fixture
def database(project: Database) -> Iterator[Database]:
    """The project, as it was after each test."""
    with project.transaction(force_rollback=True):
        yield project


def complete(database: Database) -> None:
    """What `botlive migrate` does for configs that are not mapped."""
    database.execute("select botlive.complete_mapping()")


def owners(database: Database) -> dict[str, UUID | None]:
    """Whose the victim's shops are."""
    rows = database.execute(
        "select company_id, user_id, uuid from public.company_mapping order by company_id"
    ).fetchall()
    named = {THEIRS: "theirs", NOBODYS: "nobody's"}
    return {str(named.get(row["uuid"], row["company_id"])): row["user_id"] for row in rows}


def renamed(to: str) -> Callable[[Database], None]:
    """Return an attack: a config of the attacker that is later given the id of another shop."""

    def attack(database: Database) -> None:
        add(database, "mine", ME)
        change(database, "mine", f"company_id = '{to}'")

    return attack


def claimed(text_id: str) -> Callable[[Database], None]:
    """Return an attack: a config without an owner to which the attacker adds his own id."""

    def attack(database: Database) -> None:
        add(database, text_id, None, by=None)
        change(database, text_id, f"user_id = '{ME}'")

    return attack


TEXT = str(THEIRS)
ATTACKS: dict[str, Callable[[Database], None]] = {
    "the uuid": lambda database: add(database, TEXT, ME),
    "upper case": lambda database: add(database, TEXT.upper(), ME),
    "mixed case": lambda database: add(database, TEXT.replace("ab", "aB"), ME),
    "braces": lambda database: add(database, f"{{{TEXT}}}", ME),
    "no hyphens": lambda database: add(database, THEIRS.hex, ME),
    "urn": lambda database: add(database, THEIRS.urn, ME),
    "a blank": lambda database: add(database, f" {TEXT}", ME),
    "a line break": lambda database: add(database, f"{TEXT}\n", ME),
    "a company that names nobody": lambda database: add(database, str(NOBODYS), ME),
    "a text id that is mapped": lambda database: add(database, "mapped", ME),
    "a text id without an owner": lambda database: add(database, "ownerless", ME),
    "renamed to the uuid": renamed(TEXT),
    "renamed to the uuid in upper case": renamed(TEXT.upper()),
    "renamed to a company that names nobody": renamed(str(NOBODYS)),
    "renamed to what is mapped": renamed("mapped"),
    "renamed to what has no owner": renamed("ownerless"),
    "claimed": claimed(TEXT),
    "disagreeing, by the worker's key": lambda database: add(database, TEXT, ME, by=None),
}


@pytest.mark.parametrize("attack", ATTACKS.values(), ids=ATTACKS)
def test_a_config_gets_nobody_anothers_shop(attack: Callable[[Database], None], database: Database) -> None:
    """In any notation of the id, at once or later, the attacker gets no shop, also after `migrate`."""
    attack(database)
    complete(database)
    found = owners(database)
    assert [found.get(shop) for shop in ("theirs", "nobody's", "ownerless")] == [None, None, None]
    assert found["mapped"] == VICTIM


def test_owners_that_agree_are_mapped(database: Database) -> None:
    """The control: the owner in companies is mapped; without one there, the worker's config counts."""
    add(database, str(NOBODYS), ME, by=None)
    add(database, TEXT.upper(), ME)
    add(database, TEXT, VICTIM, by=VICTIM)
    add(database, "mine", ME)
    found = owners(database)
    assert (found["theirs"], found["nobody's"], found["mine"]) == (VICTIM, ME, ME)
    mapped = database.execute(
        "select company_id from public.company_mapping where uuid = %s", [THEIRS]
    ).fetchall()
    assert mapped == [{"company_id": TEXT}]
    change(database, "mine", f"user_id = '{VICTIM}'", by=None)
    assert owners(database)["mine"] == VICTIM


def test_a_config_that_is_nobodys_is_claimed_by_the_owner(database: Database) -> None:
    """The company's owner may claim a config that was mapped before without an owner."""
    add(database, TEXT, None, by=None)
    assert owners(database)["theirs"] is None
    change(database, TEXT, f"user_id = '{VICTIM}'", by=VICTIM)
    assert owners(database)["theirs"] == VICTIM


@pytest.mark.parametrize("people_write", [True, False])
def test_what_was_planted_before_us_is_judged_too(people_write: bool, database: Database) -> None:
    """An older config gives nobody a company without an owner if users can write configs."""
    database.execute("alter table public.company_rag_configs disable trigger all")
    if not people_write:
        database.execute("revoke all on public.company_rag_configs from authenticated, anon, public")
    for text_id in (TEXT, str(NOBODYS), "mine"):
        database.execute(
            "insert into public.company_rag_configs (company_id, user_id) values (%s, %s)", [text_id, ME]
        )
    complete(database)
    found = owners(database)
    assert found["mine"] == ME
    assert "theirs" not in found
    assert found.get("nobody's") == (None if people_write else ME)
