"""Databases of a test's own on the stack's PostgreSQL, and processes against the stack."""

from collections.abc import Iterator
from contextlib import contextmanager
from importlib.resources import files
from uuid import uuid4

import psycopg
import pytest
from psycopg.conninfo import make_conninfo
from psycopg.sql import SQL, Identifier

from devstack.stack import Stack
from tests.integration.line import Line


@pytest.fixture
def database_url(stack: Stack) -> Iterator[str]:
    """An empty database, as a hosted project is before anyone's migrations."""
    with empty_database(stack) as url:
        yield url


@pytest.fixture(scope="module")
def module_database_url(stack: Stack) -> Iterator[str]:
    """The same, for all tests of a module."""
    with empty_database(stack) as url:
        yield url


@contextmanager
def empty_database(stack: Stack) -> Iterator[str]:
    """An empty database on the stack's PostgreSQL."""
    name = f"test_{uuid4().hex}"
    with psycopg.connect(stack.postgres.url, autocommit=True) as server:
        server.execute(SQL("create database {}").format(Identifier(name)))
        url = make_conninfo(stack.postgres.url, dbname=name)
        with psycopg.connect(url, autocommit=True) as database:
            database.execute(files("devstack").joinpath("supabase.sql").read_bytes())
        yield url
        server.execute(SQL("drop database {} with (force)").format(Identifier(name)))


@pytest.fixture
def line(stack: Stack) -> Iterator[Line]:
    """A queue of the test's own."""
    made = Line(stack)
    yield made
    made.close()
