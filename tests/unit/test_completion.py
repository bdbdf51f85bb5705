"""Shell completion: the words of every command, by typer's protocol, without loading Supabase's client."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

BOTLIVE = Path(sys.executable).parent / "botlive"
_DRIVER = """
eval "$("$0" --show-completion)"
for line in "$@"; do
  COMP_WORDS=($line) COMP_CWORD=$((${#COMP_WORDS[@]} - 1)) COMPREPLY=()
  _botlive_completion "$0"
  echo "${COMPREPLY[*]}"
done
"""


def test_bash_completes_commands_subcommands_options_and_leaves_files_to_itself() -> None:
    """A real bash gets the names of a command, of its subcommands and options, and no word for a file."""
    bash = shutil.which("bash")
    if bash is None:
        pytest.skip("no bash on this machine")
    lines = ("botlive fai", "botlive failures replay --al", "botlive publish exam")
    shown = subprocess.run(
        [bash, "-c", _DRIVER, BOTLIVE, *lines], capture_output=True, text=True, check=True, timeout=60
    )
    assert (shown.stdout.splitlines(), shown.stderr) == (["failures", "--all", ""], "")


@pytest.mark.parametrize(
    ("shell", "environment", "expected"),
    [
        ("bash", {"COMP_WORDS": "botlive\nfai", "COMP_CWORD": "1"}, "failures"),
        ("zsh", {"_TYPER_COMPLETE_ARGS": "botlive outbox dr"}, '"drain"'),
        (
            "fish",
            {"_TYPER_COMPLETE_ARGS": "botlive outbox dr", "_TYPER_COMPLETE_FISH_ACTION": "get-args"},
            "drain\t",
        ),
    ],
)
def test_each_shell_gets_its_words(shell: str, environment: dict[str, str], expected: str) -> None:
    """The answer is in the form of the shell, also for the subcommand of a command that is loaded late."""
    shown = subprocess.run(
        [BOTLIVE],
        env={**os.environ, **environment, "_BOTLIVE_COMPLETE": f"complete_{shell}"},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert expected in shown.stdout


def test_completion_does_not_wait_for_the_client_of_supabase() -> None:
    """A command that calls Supabase loads its client when it calls, not when it is listed or completed."""
    code = (
        "import sys; from operations import cli\n"
        "for name in cli.COMMANDS: cli.application(name)\n"
        "print('httpx' in sys.modules, 'supabase' in sys.modules)"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert shown.stdout.split() == ["True", "False"]
