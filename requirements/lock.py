"""Writes one file of exact versions with hashes per extra: ``make lock``.

They name no download address: whoever installs takes the packages from the index of his machine.
"""

import subprocess
import sys
import tomllib
from pathlib import Path

HERE = Path(__file__).parent
PROJECT = HERE.parent / "pyproject.toml"
UV = Path(sys.executable).with_name("uv")


def compile_to(target: str, *arguments: str, given: str | None = None) -> None:
    """Resolve for Python 3.11 and newer, on every platform."""
    command = [UV, "pip", "compile", "--quiet", "--universal", "--upgrade", "--python-version", "3.11"]
    command += ["--generate-hashes", "--no-emit-index-url", "--custom-compile-command", "make lock"]
    output = HERE / f"{target}.txt"
    subprocess.run([*command, *arguments, "--output-file", output], input=given, text=True, check=True)


def main() -> None:
    """The plain install, each extra, and uv itself."""
    compile_to("base", str(PROJECT))
    for extra in tomllib.loads(PROJECT.read_text())["project"]["optional-dependencies"]:
        compile_to(extra, "--extra", extra, str(PROJECT))
    compile_to("uv", "-", given="uv")


if __name__ == "__main__":
    main()
