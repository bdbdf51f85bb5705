"""A migrated project with people and shops, for tests that change it in transactions that are rolled back."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
from psycopg.conninfo import make_conninfo
from psycopg.rows import dict_row

from devstack.stack import Stack
from operations.migrations import migrate
from tests.integration.conftest import empty_database
from tests.integration.test_zoo import OWNER, Database, connect
from tests.zoo import base

ZOO = Path(__file__).parents[1] / "zoo"
GROUP = b"""
do $$ begin if to_regrole('shape_group') is null then create role shape_group; end if; end $$;
grant shape_group to projects_owner with admin option;
"""


@contextmanager
def shapes_project(stack: Stack) -> Iterator[Database]:
    """As the role that a hosted project gives; its URL is ``database.info.dsn`` with the password."""
    with empty_database(stack) as server_url:
        with connect(server_url) as server:
            server.execute(OWNER)
            server.execute(GROUP)
        url = make_conninfo(server_url, user="projects_owner", password="projects_owner")  # noqa: S106 # local
        with connect(url) as database:
            database.execute(base())
            migrate(url)
            database.execute((ZOO / "shapes.sql").read_bytes())
        with psycopg.connect(url, row_factory=dict_row) as database:
            yield database
