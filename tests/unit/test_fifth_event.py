"""mypy names what a new event type still needs, so that no worker stops because of it."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

_ROOT = Path(__file__).parents[2]
_CONTRACT = '''

class RefundIssued(Event):
    """A customer got money back."""

    type: Literal["refund_issued"] = "refund_issued"
    amount: Amount


AnyEvent = Annotated[
    RefundIssued | '''
_PLACES = {
    "handlers/meaning.py": "the handler",
    "tests/oracle.py": "the second way to the rows",
    "tests/strategies.py": "the properties",
    "tests/chaos/stream.py": "the stream of `make chaos`",
}


@pytest.mark.slow
def test_a_fifth_type_without_a_handler_fails_lint(tmp_path: Path) -> None:
    """Mypy names each place that does not handle the new type."""
    for folder in ("events", "handlers", "tests/chaos"):
        shutil.copytree(_ROOT / folder, tmp_path / folder)
    for file in ("pyproject.toml", "tests/oracle.py", "tests/strategies.py"):
        shutil.copy(_ROOT / file, tmp_path / file)
    if (_ROOT / ".mypy_cache").exists():  # what `make lint` knows of the libraries
        shutil.copytree(_ROOT / ".mypy_cache", tmp_path / ".mypy_cache")
    contracts = tmp_path / "events" / "contracts.py"
    text = contracts.read_text(encoding="utf-8")
    text = text.replace("EventType = Literal[", 'EventType = Literal["refund_issued", ')
    contracts.write_text(text.replace("\nAnyEvent = Annotated[\n    ", _CONTRACT), encoding="utf-8")

    said = subprocess.run(
        [sys.executable, "-m", "mypy", *_PLACES],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
    ).stdout

    assert {place for place in _PLACES if f"{place}:" in said} == _PLACES.keys(), said
