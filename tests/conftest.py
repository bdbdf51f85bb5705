"""Fixtures for all tests: one local stack for the whole run, and new shops."""

import os
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings

import tests.certificates  # noqa: F401 # for all HTTP clients of this process
from devstack.stack import Stack
from events.publishing.memory import Memory
from events.publishing.queue import Queue
from events.publishing.watch import Watch

# On a shared machine a single example may wait; `print_blob` lets a failure be replayed.
settings.register_profile(
    "botlive", deadline=None, print_blob=True, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
settings.load_profile("botlive")

# Each takes more than a minute. The first and the third compute; the others wait for most of their time.
_FIRST = ("test_model.py", "test_ways.py", "test_zoo.py", "test_rq_native.py", "test_worker.py")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the modules that take long: a process that gets one last works alone at the end."""
    slow = {item.path for item in items if item.get_closest_marker("slow")}

    def place(item: pytest.Item) -> int:
        name = item.path.name
        return _FIRST.index(name) if name in _FIRST else len(_FIRST) + (item.path not in slow)

    items.sort(key=place)


@pytest.fixture(scope="session")
def stack() -> Iterator[Stack]:
    """Valkey, PostgreSQL and the REST gateway, migrated, for all tests of this run."""
    with Stack(durable=False) as running:
        yield running


@pytest.fixture(scope="session")
def environment(stack: Stack) -> dict[str, str]:
    """The environment of a process that works against the stack."""
    return {**os.environ, **stack.environment}


@pytest.fixture(autouse=True)
def _open_publishers_end(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A publisher that a test leaves open watches Redis no longer: its log lines are no other test's."""
    made: list[Watch] = []
    create = Watch.__init__

    def noted(self: Watch, memory: Memory, *queues: Queue) -> None:
        create(self, memory, *queues)
        made.append(self)

    monkeypatch.setattr(Watch, "__init__", noted)
    yield
    for watch in made:
        watch.stop()
