"""The check that Python finds our modules, and not others of the same name."""

import importlib.util
import logging
import sys
from importlib.machinery import ModuleSpec
from pathlib import Path
from typing import Any

import pytest

import dropin.origin
import events
from gateway import origin

_HOME = Path(origin.__file__).parents[1]


@pytest.fixture
def found(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What Python finds instead, by the name of the module."""
    others: dict[str, Any] = {}
    find = importlib.util.find_spec
    monkeypatch.setattr(
        "gateway.origin.find_spec", lambda name: others[name] if name in others else find(name)
    )
    return others


def at(path: Path) -> ModuleSpec:
    """Return what Python finds if the module is there."""
    return ModuleSpec("events", None, origin=str(path))


def test_our_own_modules_are_no_problem() -> None:
    """Each has its mark."""
    origin.check()
    assert origin.problem("devstack") is None


@pytest.mark.parametrize("spec", [None, ModuleSpec("events", None)], ids=["gone", "an empty folder"])
def test_a_module_that_pip_deleted_is_named_with_the_cure(found: dict[str, Any], spec: Any) -> None:
    """The removal of a distribution with the same module takes ours with it."""
    found["events"] = spec
    with pytest.raises(ImportError, match=r"`events` of botlive-events is incomplete: .*--force-reinstall"):
        origin.check()


def test_a_module_of_the_repository_may_be_absent(found: dict[str, Any]) -> None:
    """The installed distribution has no devstack."""
    found["devstack"] = None
    assert origin.problem("devstack") is None


def test_a_module_elsewhere_is_a_problem_only_if_it_is_needed(found: dict[str, Any], tmp_path: Path) -> None:
    """An application may have its own `dashboard`, but not its own `events`."""
    found["dashboard"] = at(tmp_path / "dashboard" / "__init__.py")
    assert origin.problem() is None
    what = f"the module `dashboard` that Python finds is {tmp_path / 'dashboard'} and not that of botlive-"
    assert str(origin.problem("dashboard")).startswith(what)


def test_a_module_that_another_distribution_overwrote_is_named(
    found: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It stands in our place, without our mark. The distribution is named if pip knows it."""
    found["events"] = at(_HOME / "docs" / "__init__.py")  # a file without our mark
    text = "the module `events` of botlive-events was overwritten by {}: remove that"
    monkeypatch.setattr("importlib.metadata.packages_distributions", dict)
    assert str(origin.problem()).startswith(text.format("another distribution"))
    owners = {"events": ["Events", "botlive-events"]}
    monkeypatch.setattr("importlib.metadata.packages_distributions", lambda: owners)
    assert str(origin.problem()).startswith(text.format("Events"))


def test_a_distribution_that_contains_our_names_is_a_warning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its list of files says so. A list that cannot be read is no conflict."""
    monkeypatch.setattr(origin, "_HOME", tmp_path)
    assert origin.warning() is None
    for name, files in {
        "Events-0.5": "events/__init__.py,,\n",
        "dashboard-1.0": "other/__init__.py,,\n",
        "rich-13": "events/__init__.py,,\n",
    }.items():
        (tmp_path / f"{name}.dist-info").mkdir()
        (tmp_path / f"{name}.dist-info" / "RECORD").write_text(files)
    (tmp_path / "worker-2.0.dist-info").mkdir()
    assert origin.conflicting() == ["Events"]
    assert str(origin.warning()).startswith("the distribution Events contains a module of botlive-events; ")


def test_the_chat_goes_on_with_a_part_of_another_distribution(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """If the publisher can still be imported, the drop-in only logs the problem and the cure."""
    monkeypatch.delattr(events, "__distribution__")
    with caplog.at_level(logging.ERROR):
        dropin.origin.check()
    assert "a part of the module `events` is not that of botlive-events: install " in caplog.text


def test_the_chat_is_told_why_there_is_no_publisher(monkeypatch: pytest.MonkeyPatch) -> None:
    """One line, not the error of an import that the reader did not write."""
    monkeypatch.delattr(events, "__distribution__")
    monkeypatch.setitem(sys.modules, "events.publishing.publisher", None)
    with pytest.raises(ImportError, match=r"^the module `events` that Python finds is not that of botlive-"):
        dropin.origin.check()
