"""Writes one file of exact versions with hashes per extra, and that of the platforms: ``make lock``.

They name no download address: whoever installs takes the packages from the index of his machine.
"""

import subprocess
import sys
import tomllib
from pathlib import Path

HERE = Path(__file__).parent
PROJECT = HERE.parent / "pyproject.toml"
UV = Path(sys.executable).with_name("uv")


PLATFORMS = HERE.parent / "requirements.txt"
_PLATFORMS_HEAD = """\
# Written by `make lock`, for platforms that read the Procfile (docs/deploy.md): the packages of the worker,
# the dashboard and the migrations. It has no hashes, because pip then refuses a local folder. Railway copies
# the whole repository before the installation only if this file contains file://, as this comment does.
.
"""


def compile_to(target: str, *arguments: str, given: str | None = None) -> None:
    """Resolve for Python 3.11 and newer, on every platform."""
    command = [str(UV), "pip", "compile", "--quiet", "--universal", "--upgrade", "--python-version", "3.11"]
    command += ["--generate-hashes", "--no-emit-index-url", "--custom-compile-command", "make lock"]
    output = HERE / f"{target}.txt"
    subprocess.run([*command, *arguments, "--output-file", str(output)], input=given, text=True, check=True)


def compile_platforms() -> None:
    """The versions of the other files, for a platform's ``pip install -r requirements.txt``."""
    command = [str(UV), "pip", "compile", "--quiet", "--universal", "--python-version", "3.11"]
    command += ["--no-annotate", "--no-header", "--no-emit-index-url", "--constraint", str(HERE / "dev.txt")]
    command += ["--extra", "worker", "--extra", "dashboard", str(PROJECT)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    PLATFORMS.write_text(_PLATFORMS_HEAD + done.stdout, encoding="utf-8")


def main() -> None:
    """The plain install, each extra, the build system, uv itself, and the platforms' file."""
    settings = tomllib.loads(PROJECT.read_text())
    compile_to("base", str(PROJECT))
    for extra in settings["project"]["optional-dependencies"]:
        compile_to(extra, "--extra", extra, str(PROJECT))
    compile_to("build", "-", given="\n".join(settings["build-system"]["requires"]))
    compile_to("uv", "-", given="uv")
    compile_platforms()


if __name__ == "__main__":
    main()
