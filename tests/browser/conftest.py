"""Chromium, the dashboard and its Redis server for the tests of the pages."""

from collections.abc import Iterator
from typing import Any

import pytest
import redis as client
from playwright.sync_api import Browser

from devstack.valkey import Valkey
from tests.browser.hostile import plant
from tests.browser.visit import Visit, chromium, served
from tests.integration.roads import free_port


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Chromium without a window, stopped early: asyncio cannot run in a process that drives it."""
    with chromium() as running:
        yield running


@pytest.fixture(scope="session")
def valkey(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Valkey]:
    """A Redis server of these tests, so that other tests do not see its content."""
    server = Valkey(tmp_path_factory.mktemp("browsed") / "valkey", free_port())
    server.start()
    yield server
    server.kill()


@pytest.fixture
def redis(valkey: Valkey) -> Iterator[Any]:
    """The server with all hostile texts in it."""
    with client.Redis(port=valkey.port) as connection:
        connection.flushall()
        plant(connection)
        yield connection


@pytest.fixture(scope="session")
def ours(valkey: Valkey) -> Iterator[str]:
    """`botlive dashboard`."""
    with served(f"redis://127.0.0.1:{valkey.port}/0") as address:
        yield address


@pytest.fixture
def visit(browser: Browser, ours: str) -> Iterator[Visit]:
    """A page of an operator."""
    made = Visit(browser, ours)
    yield made
    made.close()
