"""The model finds no fault in a short and a long run, and finds known faults."""

import os
import signal
import subprocess
import sys
import time
from contextlib import closing
from copy import deepcopy
from pathlib import Path
from typing import get_args

import pytest

from tests.model import __main__ as command
from tests.model import invariants
from tests.model.clock import quiet
from tests.model.life import Life
from tests.model.machine import explore_by_rules
from tests.model.mutations import MUTATIONS, steps_to_find
from tests.model.picture import Picture
from tests.model.releases import Known, Newer
from tests.model.run import Outcome, explore
from tests.model.server import serving
from tests.model.walk import walk
from tests.model.world import World

_PARTS = 10  # of the long run, so that several processes share it
_IN_A_PART = 10_000  # steps


@pytest.mark.parametrize(("redis", "steps"), [("fakeredis", 1_000), ("valkey", 400)])
def test_a_short_run(redis: str, steps: int) -> None:
    """Nothing is wrong in the first steps."""
    with serving(redis) as server:
        assert explore(server, steps).fault is None


def test_an_older_worker() -> None:
    """It sets aside only the events that it does not know. After the upgrade a replay persists them."""
    with serving("fakeredis") as server, quiet(), closing(Life(server)) as life:
        world = life.world
        for worker in world.living:
            worker.stop()
        world.start_worker(is_older=True)
        for kind in (*get_args(Known), *get_args(Newer)):
            world.publish("a", 1, kind=kind)
        for _ in range(3):
            world.living[0].turn()
            while world.calls.pending:
                world.calls.pending[0].run()
        life.check()
        assert {*world.picture.failed} == world.newer
        assert {*world.database.inbox} == world.events.keys() - world.newer
        world.upgrade()
        world.replay()
        life.end()


@pytest.mark.slow
def test_both_servers_show_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    """One seed makes the same steps on fakeredis and Valkey. After each step both have the same content."""
    seen: dict[str, list[Picture]] = {"fakeredis": [], "valkey": []}
    for redis, pictures in seen.items():

        def check(world: World, pictures: list[Picture] = pictures) -> None:
            pictures.append(deepcopy(world.picture))

        monkeypatch.setattr(invariants, "check", check)
        with serving(redis) as server, quiet():
            assert walk(server, 3, 100)[1] is None
    assert seen["fakeredis"] == seen["valkey"]
    assert len(seen["valkey"]) == 100


@pytest.mark.slow
def test_a_fault_is_shown_with_the_fewest_steps() -> None:
    """The steps of a run that fails are shortened to those that it needs."""
    with serving("fakeredis") as server, MUTATIONS["an overflow queue has no turn"]():
        fault = explore(server, 2_000, shrink=True).fault
    assert fault
    assert len(fault.splitlines()) < 8


@pytest.mark.slow
@pytest.mark.parametrize("part", range(_PARTS))
def test_a_long_run(part: int) -> None:
    """Nothing is wrong in a hundred thousand steps."""
    with serving("fakeredis") as server:
        outcome = explore(server, _IN_A_PART, 1_000 * (part + 1))
    assert outcome.fault is None
    assert outcome.steps == _IN_A_PART


@pytest.mark.slow
def test_a_long_run_on_a_real_server() -> None:
    """Nothing is wrong in five thousand steps on a Valkey."""
    with serving("valkey") as server:
        assert explore(server, 5_000, 500_000).fault is None


@pytest.mark.slow
def test_steps_that_hypothesis_chooses() -> None:
    """Nothing is wrong in the runs of the state machine, in which hypothesis chooses each step."""
    with serving("fakeredis") as server:
        assert explore_by_rules(server, runs=40, length=100) > 2_000


def test_progress_without_a_terminal(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It prints how many steps it has made, now and then and at the end, and last the fault."""
    parts = [Outcome(10), Outcome(7, "a fault", 5), Outcome(3)]
    monkeypatch.setattr(command, "explore_in_parts", lambda *_: iter(parts))
    monkeypatch.setattr(command, "_PAUSE", -1)
    monkeypatch.setattr(signal, "signal", lambda *_: None)
    with pytest.raises(SystemExit, match="1"):
        command.main()
    *lines, fault, again = capsys.readouterr().out.splitlines()
    assert [line.partition(" ")[0] for line in lines] == ["10", "17", "20", "20"]
    assert fault == "a fault"
    assert "SEED=5 " in again


@pytest.mark.slow
def test_a_stop() -> None:
    """At SIGTERM it ends, and says how many steps it has made."""
    environment = {**os.environ, "STEPS": "1000000", "JOBS": "1"}
    arguments = [sys.executable, "-m", "tests.model"]
    with subprocess.Popen(arguments, env=environment, stdout=subprocess.PIPE, text=True) as process:
        while not Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text():
            time.sleep(0.1)  # it does not explore yet
        process.terminate()
        out, _ = process.communicate(timeout=120)
    assert process.returncode == 0
    assert "steps in" in out


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(MUTATIONS))
def test_it_finds(name: str) -> None:
    """A known fault in the code is found."""
    found, _ = steps_to_find(name, 20_000, 1)
    assert found
