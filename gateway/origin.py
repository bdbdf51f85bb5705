"""Checks that Python imports the modules of Botlive Events, not others with the same names.

For example, pip writes the distribution ``events`` of PyPI over our module without a warning, and deletes our
files when it removes that distribution. The check imports none of the modules.
"""

from importlib.util import find_spec
from pathlib import Path

OURS = ("dashboard", "dropin", "events", "gateway", "handlers", "operations", "worker")
"""The modules of this distribution."""

NEEDED = ("events", "gateway", "handlers", "operations", "worker")
"""The modules that every command needs."""

_NAME = "botlive-events"
_MARK = f'__distribution__ = "{_NAME}"'.encode()
_HOME = Path(__file__).resolve().parents[1]
_AGAIN = f"install {_NAME} from its repository again (pip install --force-reinstall --no-deps .)"
_APART = "install a package that needs it (opensearch-py needs Events) in another environment"


def check(*needed: str) -> None:
    """Fail if one of the needed modules is not ours.

    Raises:
        ImportError: one line that says what happened and what to do.
    """
    if what := problem(*needed):
        raise ImportError(what)


def problem(*needed: str) -> str | None:
    """Return what is wrong and what to do, in one line, or None.

    An application may have its own module with the name of one of ours, if it does not need ours.
    """
    names = dict.fromkeys((*OURS, *needed))
    return next((text for name in names if (text := _problem(name, name in {*NEEDED, *needed}))), None)


def conflicting() -> list[str]:
    """Return other installed distributions that contain a module with the name of one of ours."""
    records = (_record(folder) for folder in _HOME.glob("*.dist-info") if _may_clash(folder))
    return sorted(name for name, record in records if any(f"{ours}/__init__.py," in record for ours in OURS))


def warning() -> str | None:
    """Return a warning about conflicting distributions and what to do, in one line, or None."""
    names = ", ".join(conflicting())
    return (
        f"the distribution {names} contains a module of {_NAME}; pip deletes ours when it upgrades or "
        f"removes that distribution: remove it now, then {_AGAIN}; {_APART}"
        if names
        else None
    )


def _problem(name: str, is_needed: bool) -> str | None:
    spec = find_spec(name)
    if spec is None and name not in OURS:
        return None  # a module that exists only in the repository
    if spec is None or spec.origin is None:
        return (
            f"the module `{name}` of {_NAME} is incomplete: a distribution with a module of the same name "
            f"was removed, and pip deleted ours with it; {_AGAIN}"
        )
    path = Path(spec.origin).resolve()
    if path.parent.parent != _HOME:
        where = f"the module `{name}` that Python finds is {path.parent} and not that of {_NAME}: rename or "
        return (
            f"{where}remove it (a folder of the project or of PYTHONPATH, or a distribution)"
            if is_needed
            else None
        )
    if _MARK in path.read_bytes():
        return None
    what = f"the module `{name}` of {_NAME} was overwritten by {_owners(name)}: remove that (pip uninstall)"
    return f"{what}, then {_AGAIN}; {_APART}"


def _owners(name: str) -> str:
    from importlib.metadata import packages_distributions  # noqa: PLC0415 # slow, and rarely needed

    return ", ".join(sorted({*packages_distributions().get(name, [])} - {_NAME})) or "another distribution"


def _may_clash(folder: Path) -> bool:
    """Return whether the name suggests a conflict. It would be too slow to read every file list."""
    return folder.name.partition("-")[0].lower().replace("_core", "") in OURS


def _record(folder: Path) -> tuple[str, str]:
    try:
        record = (folder / "RECORD").read_text(encoding="utf-8")
    except OSError:
        record = ""
    return folder.name.partition("-")[0], f"\n{record}"
