"""What every kind of test shares: one local stack for the whole run, and shops of one's own."""

import os
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings

from devstack.stack import Stack

# On a shared machine a single example may wait; `print_blob` lets a failure be replayed.
settings.register_profile(
    "botlive", deadline=None, print_blob=True, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
settings.load_profile("botlive")


@pytest.fixture(scope="session")
def stack() -> Iterator[Stack]:
    """Valkey, PostgreSQL and the REST gateway, migrated, for all tests of this run."""
    with Stack() as running:
        yield running


@pytest.fixture(scope="session")
def environment(stack: Stack) -> dict[str, str]:
    """The environment of a process that works against the stack."""
    return {**os.environ, **stack.environment}
