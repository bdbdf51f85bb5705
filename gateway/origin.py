"""Whether Python imports the folders of Botlive Events, and not those of others with the same names.

The distribution ``events`` of PyPI, for one, is written over ours by pip without a word, and what pip
removes with it is our file. Nothing is imported here to find that out.
"""

from importlib.util import find_spec
from pathlib import Path

OURS = ("dashboard", "dropin", "events", "gateway", "handlers", "operations", "worker")
"""The modules of this distribution."""

NEEDED = ("events", "gateway", "handlers", "operations", "worker")
"""Those that every command needs."""

_NAME = "botlive-events"
_MARK = f'__distribution__ = "{_NAME}"'.encode()
_HOME = Path(__file__).resolve().parents[1]
_AGAIN = f"install {_NAME} from its repository again (pip install --force-reinstall --no-deps .)"
_APART = "what needs it, as opensearch-py needs Events, belongs in another environment"


def check(*needed: str) -> None:
    """Let the import fail where one that is needed would be another's.

    Raises:
        ImportError: one line that says what happened and the cure.
    """
    if what := problem(*needed):
        raise ImportError(what)


def problem(*needed: str) -> str | None:
    """What is wrong, and the cure, in one line; None where nothing is.

    A host may have a folder of its own that is called as one of ours which it does not need.
    """
    names = dict.fromkeys((*OURS, *needed))
    return next((words for name in names if (words := _problem(name, name in {*NEEDED, *needed}))), None)


def rivals() -> list[str]:
    """The distributions beside ours that claim a module of ours, which is in its place as yet."""
    records = (_record(folder) for folder in _HOME.glob("*.dist-info") if _may_clash(folder))
    return sorted(name for name, record in records if any(f"{ours}/__init__.py," in record for ours in OURS))


def warning() -> str | None:
    """What the rivals will do, and the cure, in one line; None where there are none."""
    names = ", ".join(rivals())
    return (
        f"the distribution {names} claims a module of {_NAME}, which goes when that is upgraded or removed: "
        f"remove it now, then {_AGAIN}; {_APART}"
        if names
        else None
    )


def _problem(name: str, is_needed: bool) -> str | None:
    spec = find_spec(name)
    if spec is None and name not in OURS:
        return None  # it is in the repository alone
    if spec is None or spec.origin is None:
        return (
            f"the module `{name}` of {_NAME} is not whole: a distribution with a module of the same name "
            f"was removed, and took ours along; {_AGAIN}"
        )
    path = Path(spec.origin).resolve()
    if path.parent.parent != _HOME:
        where = (
            f"the module `{name}` that Python finds is {path.parent} and not that of {_NAME}: take it out "
        )
        return (
            f"{where}of the way (a folder of the project or of PYTHONPATH, a distribution)"
            if is_needed
            else None
        )
    if _MARK in path.read_bytes():
        return None
    what = f"the module `{name}` of {_NAME} was overwritten by {_owners(name)}: remove that (pip uninstall)"
    return f"{what}, then {_AGAIN}; {_APART}"


def _owners(name: str) -> str:
    from importlib.metadata import packages_distributions  # noqa: PLC0415 # slow, and seldom asked

    return ", ".join(sorted({*packages_distributions().get(name, [])} - {_NAME})) or "another distribution"


def _may_clash(folder: Path) -> bool:
    """By its name alone: to read what every distribution installed would take longer than a command."""
    return folder.name.partition("-")[0].lower().replace("_core", "") in OURS


def _record(folder: Path) -> tuple[str, str]:
    try:
        record = (folder / "RECORD").read_text(encoding="utf-8")
    except OSError:
        record = ""
    return folder.name.partition("-")[0], f"\n{record}"
