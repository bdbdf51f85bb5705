"""The model finds no fault in a short and a long run, and finds known faults."""

import pytest

from tests.model.mutations import MUTATIONS, steps_to_find
from tests.model.run import explore
from tests.model.server import serving


def test_a_short_run() -> None:
    """Nothing is wrong in the first steps."""
    with serving("valkey") as server:
        assert explore(server, 1_000).fault is None


def test_the_same_seed_makes_the_same_steps() -> None:
    """Two runs of one seed end with the same number of steps and the same fault."""
    name = "an overflow queue has no turn"
    assert steps_to_find(name, 2_000, 1) == steps_to_find(name, 2_000, 1)


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_a_long_run() -> None:
    """Nothing is wrong in twenty thousand steps."""
    with serving("valkey") as server:
        assert explore(server, 20_000, 1_000).fault is None


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("name", MUTATIONS)
def test_it_finds(name: str) -> None:
    """A known fault in the code is found."""
    found, _ = steps_to_find(name, 20_000, 1)
    assert found
