"""The Dockerfile: what is in the image, and how it starts."""

import json
import re
import tomllib
from pathlib import Path

_ROOT = Path(__file__).parents[2]
_PROJECT = tomllib.loads((_ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def _instructions() -> list[list[str]]:
    """The words of each instruction of the Dockerfile, with its continuation lines."""
    text = (_ROOT / "Dockerfile").read_text(encoding="utf-8")
    text = re.sub(r"^#.*\n", "", text, flags=re.MULTILINE).replace("\\\n", " ")
    return [line.split() for line in text.splitlines() if line.strip()]


def _copied() -> set[str]:
    """Return what the Dockerfile copies from the repository."""
    copies = [words[1:-1] for words in _instructions() if words[0] == "COPY" and "--from=build" not in words]
    return {source for sources in copies for source in sources}


def _last(name: str) -> list[str]:
    return [words for words in _instructions() if words[0] == name][-1][1:]


def test_the_image_has_the_code_of_the_wheel_and_no_more() -> None:
    """It copies each folder of the wheel, but neither the local servers nor the tests."""
    folders = {source.rstrip("/") for source in _copied() if source.endswith("/")}
    assert folders == {*_PROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]}
    assert all((_ROOT / source).exists() for source in _copied())


def test_the_build_sees_nothing_else() -> None:
    """.dockerignore excludes everything, and lets in what is copied."""
    lines = (_ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    patterns = [line for line in lines if line and not line.startswith("#")]
    admitted = {pattern.removeprefix("!") for pattern in patterns if pattern.startswith("!")}
    assert patterns[0] == "*"
    assert admitted == {re.sub(r"requirements/.*", "requirements/*.txt", source) for source in _copied()}


def test_the_image_installs_locked_versions_only() -> None:
    """Each install checks hashes, or installs our own wheel without dependencies or a build environment."""
    (*runs,) = (" ".join(words[1:]) for words in _instructions() if words[0] == "RUN")
    steps = [step for run in runs for step in run.split("&&") if "pip" in step and "venv" not in step]
    assert len(steps) == 4
    assert all("--require-hashes" in step or "--no-deps" in step for step in steps)
    assert all("--no-build-isolation" in step for step in steps if " wheel " in step)


def test_the_build_tools_are_those_of_the_project() -> None:
    """requirements/build.txt has the build system that pyproject.toml names."""
    locked = (_ROOT / "requirements/build.txt").read_text(encoding="utf-8")
    assert all(f"\n{pin} " in locked for pin in _PROJECT["build-system"]["requires"])


def test_the_image_does_not_run_as_root() -> None:
    """Its last user is a number that is not root's: orchestrators can check a number."""
    user, group = _last("USER")[0].split(":")
    assert int(user) > 0
    assert int(group) > 0


def test_the_image_has_no_secret() -> None:
    """No build argument or variable contains a secret, because every user of the image can read it."""
    names = [words[1].partition("=")[0] for words in _instructions() if words[0] in {"ENV", "ARG"}]
    assert names == ["PATH"]


def test_the_image_starts_a_worker_and_checks_it() -> None:
    """It gets signals itself (exec form), and the module of the health check exists."""
    assert (_last("ENTRYPOINT"), _last("CMD")) == (['["botlive"]'], ['["worker"]'])
    words = " ".join(_last("HEALTHCHECK"))
    module = json.loads(words[words.index("[") :])[-1]
    assert (_ROOT / module.replace(".", "/")).with_suffix(".py").exists()


def test_every_stage_has_the_python_that_is_tested() -> None:
    """The version of .python-version."""
    version = (_ROOT / ".python-version").read_text(encoding="utf-8").strip()
    bases = [words[1] for words in _instructions() if words[0] == "FROM"]
    assert bases
    assert all(base.startswith(f"python:{version}-slim") for base in bases)
