"""Migrations amid traffic, and the errors of a server in one line."""

from collections.abc import Callable
from unittest.mock import Mock

import psycopg
import pytest

from operations import migrations
from operations.database import translated_errors
from operations.errors import MigrationFailed
from tests.make import PHONE


def failing(code: str, times: int) -> tuple[Callable[[], str], list[str]]:
    """Return a step that fails so many times with this code, and the list of its tries."""
    tries: list[str] = []

    def step() -> str:
        tries.append(code)
        if len(tries) <= times:
            error = MigrationFailed("it failed")
            error.sqlstate = code
            raise error
        return "done"

    return step, tries


@pytest.fixture(autouse=True)
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The pauses between tries, which take no time here."""
    made: list[float] = []
    monkeypatch.setattr(migrations, "time", Mock(sleep=made.append))
    return made


@pytest.mark.parametrize("code", ["40P01", "55P03"])
def test_a_step_that_met_a_worker_is_tried_again(pauses: list[float], code: str) -> None:
    """PostgreSQL ended it because of a deadlock, or a lock was not free: the pauses grow."""
    step, tries = failing(code, 2)
    assert migrations._amid_traffic(step) == "done"
    assert (len(tries), pauses) == (3, [0.2, 0.4])


def test_a_step_that_meets_workers_without_end_fails(pauses: list[float]) -> None:
    """After the last pause the error is raised."""
    step, tries = failing("40P01", 99)
    with pytest.raises(MigrationFailed):
        migrations._amid_traffic(step)
    assert len(tries) == len(pauses) + 1


def test_another_error_of_a_step_is_raised_at_once(pauses: list[float]) -> None:
    """A repetition would not help."""
    step, tries = failing("42501", 1)
    with pytest.raises(MigrationFailed):
        migrations._amid_traffic(step)
    assert (len(tries), pauses) == (1, [])


@pytest.mark.parametrize(
    "error", [psycopg.OperationalError(f"server closed it {PHONE}"), psycopg.Error("odd")]
)
def test_a_connection_that_was_lost_is_reported_in_one_line(error: psycopg.Error) -> None:
    """It says that finished steps are kept; the driver's own text is not shown."""
    with pytest.raises(MigrationFailed) as found, translated_errors("reading"):
        raise error
    assert (
        str(found.value)
        == "reading: the connection was lost: run this command again, finished steps are kept"
    )
    assert found.value.sqlstate is None
