"""The allowed imports between folders; no import cycles."""

import ast
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

_ROOT = Path(__file__).parents[2]

# Arrows run one way: operations → worker → {handlers, gateway} → events.
_MAY_IMPORT = {
    "events": set(),
    "handlers": {"events"},
    "gateway": {"events"},
    "worker": {"handlers", "gateway", "events"},
    "operations": {"worker", "gateway", "events"},
    # How an order's lines are told in one text is the handlers'.
    "dashboard": {"gateway", "handlers", "events"},
    # Reading orders back needs the extra [read].
    "dropin": {"dashboard", "events"},
    "devstack": {"operations"},
}


def _imports(path: Path) -> Iterator[str]:
    """Returns our modules that a module imports, anywhere in its code."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        if isinstance(node, ast.ImportFrom) and node.module:
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        yield from (module for name in names if (module := _module(name)))


def _module(name: str) -> str | None:
    """Returns our module that contains the name, or None."""
    if name.split(".", maxsplit=1)[0] not in _MAY_IMPORT:
        return None
    is_module = _ROOT.joinpath(*name.split(".")).with_suffix(".py").exists()
    is_package = _ROOT.joinpath(*name.split("."), "__init__.py").exists()
    return name if is_module or is_package else name.rpartition(".")[0]


def _modules(room: str) -> dict[str, set[str]]:
    names = {path: path.relative_to(_ROOT).with_suffix("") for path in (_ROOT / room).rglob("*.py")}
    return {".".join(name.parts).removesuffix(".__init__"): {*_imports(path)} for path, name in names.items()}


@pytest.mark.parametrize("room", _MAY_IMPORT)
def test_arrows_run_one_way(room: str) -> None:
    """A module imports only from its own folder and from the folders that the design allows."""
    crossing = {
        f"{module} imports {imported}"
        for module, imports in _modules(room).items()
        for imported in imports
        if imported.split(".")[0] not in {room, *_MAY_IMPORT[room]}
    }
    assert not crossing


def test_no_module_imports_itself_in_a_circle() -> None:
    """No module imports itself, directly or through others."""
    graph = {name: imports - {name} for room in _MAY_IMPORT for name, imports in _modules(room).items()}
    while leaves := {name for name, imports in graph.items() if not imports & graph.keys()}:
        graph = {name: imports for name, imports in graph.items() if name not in leaves}
    assert not graph


def test_contracts_and_handlers_need_no_redis() -> None:
    """Contracts and handlers can be imported and used with pydantic alone."""
    code = "import sys, events, handlers; sys.exit('redis' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=_ROOT, timeout=60, check=False).returncode == 0


def test_no_two_classes_have_one_name() -> None:
    """A name means one thing from the chat to the tables. (`dashboard` has its own models of the rows.)"""
    names = Counter(
        node.name
        for room in ("events", "handlers", "gateway", "worker", "operations")
        for path in (_ROOT / room).rglob("*.py")
        for node in ast.parse(path.read_text(encoding="utf-8")).body
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_")
    )
    assert [name for name, times in names.items() if times > 1] == []
