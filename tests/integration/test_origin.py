"""Distributions of others with modules of our names: laid over ours, under them, and removed with ours."""

import os
import re
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest
from hatchling.build import build_wheel

from gateway.origin import OURS
from operations.errors import DevelopmentOnly
from operations.migrations import bundled

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
CHAT = "from dropin import log_payment_validated"
READ = "import dashboard"
EACH = """
for name in ("dashboard", "worker.job"):
    try:
        __import__(name)
    except ImportError as error:
        print(error)
"""
CLI = "from operations.cli import main; main(['--help'])"
JOB = "import worker.job"
AGAIN = "install botlive-events from its repository again"


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Our wheel."""
    folder = tmp_path_factory.mktemp("wheel")
    before = Path.cwd()
    os.chdir(ROOT)
    try:
        return folder / build_wheel(str(folder))
    finally:
        os.chdir(before)


class Site:
    """A folder of distributions, to which pip adds and from which it removes: files, whosever they are."""

    def __init__(self, folder: Path, wheel: Path) -> None:
        self.folder = folder
        self._wheel = wheel

    def install_ours(self) -> None:
        """Install our wheel."""
        zipfile.ZipFile(self._wheel).extractall(self.folder)

    def install(self, name: str, module: str) -> None:
        """Another's with that module."""
        record = self.folder / f"{name}-0.5.dist-info"
        record.mkdir(parents=True)
        (self.folder / module).mkdir(parents=True, exist_ok=True)
        (self.folder / module / "__init__.py").write_text("from .events import Events\n")
        (self.folder / module / "events.py").write_text("class Events: pass\n")
        (record / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 0.5\n")
        files = [f"{module}/__init__.py", f"{module}/events.py", f"{record.name}/METADATA"]
        (record / "RECORD").write_text("".join(f"{file},,\n" for file in [*files, f"{record.name}/RECORD"]))

    def remove(self, name: str) -> None:
        """Remove the distribution with all files of its record."""
        for line in (self.folder / f"{name}-0.5.dist-info" / "RECORD").read_text().splitlines():
            (self.folder / line.partition(",")[0]).unlink(missing_ok=True)

    def run(self, code: str, *paths: Path) -> subprocess.CompletedProcess[str]:
        """A program that finds these and what they need, and not the repository."""
        path = os.pathsep.join(map(str, (*paths, self.folder, sysconfig.get_path("purelib"))))
        return subprocess.run(
            [sys.executable, "-S", "-c", code],
            env={**os.environ, "PYTHONPATH": path},
            cwd=self.folder.parent,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    def refused(self, code: str, *paths: Path) -> str:
        """The last line of what it says, and it says nothing else where it is the command."""
        done = self.run(code, *paths)
        assert done.returncode == (2 if code == CLI else 1), done.stderr
        lines = done.stderr.splitlines()
        assert code != CLI or len(lines) == 1, done.stderr
        return lines[-1]


@pytest.fixture
def site(tmp_path: Path, wheel: Path) -> Site:
    """An empty environment."""
    return Site(tmp_path / "site", wheel)


def test_ours_alone_says_nothing(site: Site) -> None:
    """Every module is ours, and none is warned of."""
    site.install_ours()
    done = site.run(f"{CHAT}; {READ}; {JOB}; {CLI}")
    assert (done.returncode, done.stderr) == (0, "")


def test_another_over_ours_is_named_with_the_cure(site: Site) -> None:
    """The command, the reads and a stock worker refuse in one line; the chat says it and goes on."""
    site.install_ours()
    site.install("Events", "events")
    for said in (site.refused(CLI), *site.run(EACH).stdout.splitlines()):
        assert "`events` of botlive-events was overwritten by Events: remove that (pip uninstall)" in said
        assert AGAIN in said
    chat = site.run(f"{CHAT}; print('chat goes on')")
    assert (chat.returncode, chat.stdout) == (0, "chat goes on\n")
    assert len(chat.stderr.splitlines()) == 1
    assert f"`events` is not that of botlive-events: {AGAIN}" in chat.stderr


def test_ours_over_another_warns_of_what_will_happen(site: Site) -> None:
    """All works; its removal would take ours along, and then that is said."""
    site.install("Events", "events")
    site.install_ours()
    done = site.run(f"{CHAT}; {READ}; {JOB}; {CLI}")
    assert done.returncode == 0
    (line,) = done.stderr.splitlines()
    assert line.startswith("note: the distribution Events contains a module of botlive-events")
    assert AGAIN in line
    site.remove("Events")
    said = [site.refused(CLI), *site.run(EACH).stdout.splitlines()]
    assert len(said) == 3
    assert all("`events` of botlive-events is incomplete" in line and AGAIN in line for line in said)
    chat = site.run(f"{CHAT}; print('chat goes on')")
    assert (chat.stdout, len(chat.stderr.splitlines())) == ("chat goes on\n", 1)


@pytest.mark.parametrize("module", [name for name in OURS if name not in {"events", "worker"}])
def test_the_other_names_too(site: Site, module: str) -> None:
    """Laid over ours, each is named by the command."""
    site.install_ours()
    site.install(f"Its-{module}", module)
    assert f"`{module}` of botlive-events was overwritten by Its-{module}" in site.refused(CLI)


def shadow(folder: Path, *names: str) -> Path:
    """Folders of a host's own with these names."""
    for name in names:
        (folder / "host" / name).mkdir(parents=True)
        (folder / "host" / name / "__init__.py").touch()
    return folder / "host"


@pytest.mark.parametrize(
    ("code", "needs"), [(CLI, "events"), (READ, "events"), (CHAT, "events"), (CLI, "handlers")]
)
def test_a_folder_of_the_hosts_is_named(site: Site, tmp_path: Path, code: str, needs: str) -> None:
    """Where it is found before ours and ours is needed."""
    site.install_ours()
    said = site.refused(code, shadow(tmp_path, needs))
    assert f"`{needs}` that Python finds is" in said
    assert "not that of botlive-events: " in said


@pytest.mark.parametrize(
    ("code", "others"),
    [(CHAT, ["worker", "handlers", "dashboard", "sql"]), (READ, ["dropin", "devstack", "sql"])],
)
def test_a_folder_of_the_hosts_that_is_in_nobodys_way_is_left_alone(
    site: Site, tmp_path: Path, code: str, others: list[str]
) -> None:
    """The chat and the reads import few of ours."""
    site.install_ours()
    done = site.run(code, shadow(tmp_path, *others))
    assert (done.returncode, done.stderr) == (0, "")


def test_the_stack_is_in_the_repository_alone(site: Site) -> None:
    """The installed package has no `devstack`; the command says where it is, and exits with 2."""
    site.install_ours()
    done = site.run("from operations.cli import main; main(['stack'])")
    assert (done.returncode, done.stderr) == (2, f"{DevelopmentOnly()}\n")


def test_only_our_own_migrations_are_applied(site: Site, tmp_path: Path) -> None:
    """Our migrations are applied, whichever folder `sql` Python finds first."""
    site.install_ours()
    host = shadow(tmp_path, "sql")
    for folder in ("tables", "functions"):
        (host / "sql" / folder).mkdir()
        (host / "sql" / folder / "drop_everything.sql").write_text("drop schema public cascade")
    code = (
        "from operations.migrations import bundled; print(*(each.checksum for each in bundled()), sep='\\n')"
    )
    done = site.run(code, host)
    assert (done.stdout.split(), done.stderr) == ([each.checksum for each in bundled()], "")


def asks_an_index(line: str) -> bool:
    """Whether it names us where pip would look a name up."""
    return "botlive-events[" in line or bool(re.search(r"install\s[^`]*(?<!of )botlive-events(?! )", line))


def test_no_text_asks_an_index_for_our_name() -> None:
    """It is on none: whoever takes the name there would be installed."""
    code = (path for name in OURS for path in ROOT.glob(f"{name}/**/*.py"))
    texts = [
        path.read_text(encoding="utf-8") for path in (*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *code)
    ]
    assert [line for text in texts for line in text.splitlines() if asks_an_index(line)] == []
