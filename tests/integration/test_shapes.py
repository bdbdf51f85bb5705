"""Policies of projects, one by one: what is replaced, what is named, and of what nothing is said."""

from collections.abc import Iterator
from uuid import UUID

import psycopg
import pytest

from devstack.stack import Stack
from tests.integration.shapes_project import shapes_project
from tests.integration.test_zoo import Database, acting
from tests.zoo.shape import CHANCE, Shape
from tests.zoo.shapes import SHAPES

AWA, BINTA = (UUID(f"{letter}0000000-0000-4000-8000-000000000001") for letter in "ab")
pytestmark = pytest.mark.slow

READ = b"select from public.orders where id = '0a000000-0000-4000-8000-000000000001'"


@pytest.fixture(scope="module")
def project(stack: Stack) -> Iterator[Database]:
    """The shapes' project, for all of them."""
    with shapes_project(stack) as database:
        yield database


def judged(database: Database, shape: Shape) -> tuple[str, str]:
    """The verdict on the shape, and the words."""
    database.execute("select botlive.replace_open_policies('public.orders')")
    there = database.execute("select from pg_policies where policyname like 'shape%'").rowcount
    said = database.execute(
        "select words || '; cure: ' || cure as words from botlive.policies_to_name()"
    ).fetchall()
    words = " ".join(row["words"] for row in said)
    return ("named" if words else "silent" if there else "replaced"), words


def reached(database: Database, user: UUID) -> int:
    """How many rows the person gets of a request for Awa's order; a request that fails gives none."""
    with acting(database, user):
        try:
            with database.transaction():
                return len(database.execute(READ).fetchall())
        except psycopg.Error:
            return 0


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_a_policy_is_judged_by_whom_it_lets_in(project: Database, shape: Shape) -> None:
    """With and without rows: open to everyone, to some, or to the owner only. The cure closes it."""
    project.rollback()
    project.execute(shape.sql.encode())
    project.execute("savepoint made")
    verdict, words = judged(project, shape)
    assert (verdict, words) == (shape.verdict, words)
    assert shape.words in words
    assert reached(project, AWA) == shape.owner
    others = int(verdict == "named") if shape.others is None else shape.others
    assert others == CHANCE or reached(project, BINTA) == others
    project.execute("rollback to made")
    project.execute("delete from public.orders")
    verdict, words = judged(project, shape)
    assert (verdict, words) == (shape.empty or shape.verdict, words)
