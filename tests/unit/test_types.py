"""`make lint` checks the types of every module, and the labels of the rows."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from mypy.main import process_options

_ROOT = Path(__file__).parents[2]
_PLANTED = '\n_PLANTED: int = "text"\n'
_LABELS = {
    "handlers/order_completed.py": ('"type": "order"', '"type": "orders"'),
    "handlers/payment_validated.py": ('"status": "success"', '"status": "ok"'),
    "handlers/payment_issue.py": ('event="payment_issue"', 'event="payment_problem"'),
    "handlers/live_toggled.py": ('"status": "info"', '"status": "information"'),
    "tests/oracle.py": ('return "intervention", "warning"', 'return "intervention", "warn"'),
}
"""A wrong word for a right one."""


def _modules() -> set[Path]:
    """Returns every Python file of the repository."""
    folders = [path for path in _ROOT.iterdir() if path.is_dir() and not path.name.startswith(".")]
    return {path.relative_to(_ROOT) for folder in folders for path in folder.rglob("*.py")}


def test_every_module_is_listed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Mypy lists every module, because it reports no errors in modules that it only follows as imports."""
    monkeypatch.chdir(_ROOT)
    sources, options = process_options([])
    listed = {(_ROOT / source.path).relative_to(_ROOT) for source in sources if source.path}
    assert _modules() - listed == set()
    assert options.explicit_package_bases
    assert options.disallow_untyped_defs  # strict


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_an_error_is_named_wherever_it_stands(tmp_path: Path) -> None:
    """Mypy reports an error in an imported module, in a test helper, and in a label of a row."""
    for module in [*_modules(), Path("pyproject.toml")]:
        (tmp_path / module).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(_ROOT / module, tmp_path / module)
    if (_ROOT / ".mypy_cache").exists():  # what `make lint` knows of the libraries: four times as fast
        shutil.copytree(_ROOT / ".mypy_cache", tmp_path / ".mypy_cache")
    one_a_folder = {module.parts[0]: str(module) for module in sorted(_modules())}
    planted = {*one_a_folder.values(), "gateway/masking.py", "tests/replies.py", "tests/contract/conftest.py"}
    for place in planted:
        with (tmp_path / place).open("a", encoding="utf-8") as file:
            file.write(_PLANTED)
    for place, (right, wrong) in _LABELS.items():
        text = (tmp_path / place).read_text(encoding="utf-8")
        assert right in text
        (tmp_path / place).write_text(text.replace(right, wrong), encoding="utf-8")

    said = subprocess.run(
        [sys.executable, "-m", "mypy"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(tmp_path)},  # as the editable install has it
        capture_output=True,
        text=True,
        check=False,
        timeout=380,
    ).stdout

    places = planted | _LABELS.keys()
    assert {place for place in places if f"{place}:" in said} == places, said
